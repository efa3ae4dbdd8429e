/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who serves a vif: a worker of ours with a TAP, a plane of ours (plane.h), another program, or on a real
 * Xen the kernel's own driver. The key "vifrost-datapath" of its backend area decides; without one, who
 * came first: the kernel where its driver is loaded, else a TAP. A vif in service changes hands as it does
 * between us and a successor: its state stands, its rings are taken up where they are.
 *
 * A driver that is loaded later is bound to our vifs too; where it fails for the name of our TAP, it
 * closes them. So a state that we have not written is put right again, as often as may be by accident.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "netback/kernel_driver.h"
#include "netback/vif.h"

#define MAX_QUEUES_DIR	  "/module/xen_netback/parameters"
#define TRIES_MAX	  6
#define TRY_FIRST_MS	  20 /* doubled each time: all take over a second */
#define CONTESTS_MAX	  5
#define CONTEST_WINDOW_NS (10u * 1000000000ull)

static const char *sysfs(const struct nb_vif *vif)
{
	return vif->nb->config.sysfs;
}

static const char *const names[NB_NR_DATAPATHS] = {
	[NB_DATAPATH_TAP] = "tap", [NB_DATAPATH_KERNEL] = "kernel", [NB_DATAPATH_DPDK] = "dpdk",
	[NB_DATAPATH_PMD] = "pmd", [NB_DATAPATH_EMU] = "emu",	    [NB_DATAPATH_VHOST] = "vhost",
};

const char *nb_datapath_name(const struct nb_vif *vif)
{
	if (vif->dev.elsewhere)
		return names[vif->datapath >= NB_DATAPATH_PMD ? vif->datapath : NB_DATAPATH_KERNEL];
	return names[vif->datapath > NB_DATAPATH_KERNEL ? vif->datapath : NB_DATAPATH_TAP];
}

bool nb_datapath_is_mine(const struct netback *nb, uint16_t domid, uint32_t devid)
{
	const struct nb_only *only = nb->config.only;

	return !only || (only->domid == domid && only->devid == devid);
}

static int read_wanted(struct nb_vif *vif, enum nb_datapath *wanted_out)
{
	char text[16];
	int rc = xb_read_text(&vif->dev, XB_BACKEND, "vifrost-datapath", text, sizeof(text));

	*wanted_out = NB_DATAPATH_UNSET;
	for (unsigned int i = NB_DATAPATH_TAP; !rc && i < NB_NR_DATAPATHS; i++)
		if (!strcmp(text, names[i]))
			*wanted_out = (enum nb_datapath)i;
	if (rc != -ENOENT && !xb_failed(rc) && *wanted_out == NB_DATAPATH_UNSET &&
	    !vif->nb->config.only)
		xb_trouble(
			&vif->dev,
			"vifrost-datapath is none of 'tap', 'kernel', 'dpdk', 'pmd', 'emu', 'vhost'");
	return xb_failed(rc) ? rc : 0;
}

/* Bind or unbind the kernel's driver. -EAGAIN: is tried again soon. */
static int bind_kernel(struct nb_vif *vif, bool on)
{
	char why[XB_WHY_MAX];
	int rc = nb_kernel_bind(sysfs(vif), vif->dev.domid, vif->dev.devid, on);

	if (!rc) {
		vif->nr_tries = 0;
		return 0;
	}
	if (vif->nr_tries < TRIES_MAX) {
		xb_look_again(&vif->dev,
			      clock_ns() + ((uint64_t)TRY_FIRST_MS << vif->nr_tries) * 1000000);
		vif->nr_tries++;
		return -EAGAIN;
	}
	if (on && rc == -ENODEV)
		snprintf(
			why, sizeof(why),
			"datapath: kernel: xen-netback does not know the device: it was in service "
			"before that was loaded; detach and attach it");
	else
		snprintf(why, sizeof(why),
			 "xen-netback cannot be %s (%s): see dmesg; then detach and attach it",
			 on ? "bound" : "unbound", strerror(-rc));
	xb_trouble(&vif->dev, why);
	return rc;
}

static bool is_open(uint32_t state)
{
	return (state >= XenbusStateInitialising && state <= XenbusStateConnected) ||
	       state == XenbusStateReconfigured;
}

/* It would close a vif that has more. */
static bool too_many_queues(struct nb_vif *vif)
{
	unsigned int max = nb_kernel_max_queues(sysfs(vif));
	char why[XB_WHY_MAX];

	if (!max || vif->nr_queues <= max)
		return false;
	snprintf(
		why, sizeof(why),
		"datapath: kernel, but the guest uses %u queues and xen-netback takes %u: raise its "
		"max_queues in /sys" MAX_QUEUES_DIR ", or detach and attach the vif",
		vif->nr_queues, max);
	xb_trouble(&vif->dev, why);
	return true;
}

static void give_to_kernel(struct nb_vif *vif)
{
	if (!vif->dev.elsewhere && too_many_queues(vif))
		return;
	nb_vif_disconnect(vif);
	nb_vif_release_port(vif);
	vif->dev.elsewhere = true;
	if (!nb_kernel_loaded(sysfs(vif))) {
		xb_trouble(&vif->dev, "datapath: kernel, but xen-netback is not loaded: 'modprobe "
				      "xen-netback', or set datapath: tap");
		return;
	}
	if (!is_open(vif->dev.store_state) || !vif->dev.online)
		return;
	if (nb_kernel_bound(sysfs(vif), vif->dev.domid, vif->dev.devid) || !bind_kernel(vif, true))
		xb_trouble_over(&vif->dev);
}

/* Another program's: nothing of ours is left, and nothing of its is touched. */
static void leave(struct nb_vif *vif)
{
	if (vif->dev.elsewhere)
		return;
	nb_vif_disconnect(vif);
	nb_vif_release_port(vif);
	xb_trouble_over(&vif->dev);
	vif->dev.disabled = false;
	vif->dev.elsewhere = true;
}

/* By another plane of ours than so far: as a successor would begin. */
static void change_plane(struct nb_vif *vif)
{
	if (!nb_vif_has_port(vif))
		return;
	nb_vif_disconnect(vif);
	nb_vif_release_port(vif);
	vif->dev.taken = vif->dev.new_area = true;
}

static void take_over(struct nb_vif *vif)
{
	bool bound = sysfs(vif) && nb_kernel_bound(sysfs(vif), vif->dev.domid, vif->dev.devid);
	bool serving = nb_vif_has_port(vif);

	if (bound && serving)
		xb_trouble(&vif->dev,
			   "xen-netback was bound to it while in service: unbound again");
	if (bound && bind_kernel(vif, false)) {
		vif->dev.elsewhere = !serving;
		return;
	}
	if (serving || (!vif->dev.elsewhere && !bound))
		return;
	log_debug("%s: taken over from another", vif->dev.name);
	xb_trouble_over(&vif->dev);
	vif->dev.elsewhere = false;
	vif->dev.taken = vif->dev.new_area = true;
}

/* Without a key: a vif in service stays whose it is, a new one is the kernel's where that can be. */
static bool kernels_by_default(const struct nb_vif *vif)
{
	if (!sysfs(vif) || !nb_kernel_loaded(sysfs(vif)) || nb_vif_has_port(vif))
		return false;
	return vif->dev.elsewhere || nb_kernel_bound(sysfs(vif), vif->dev.domid, vif->dev.devid) ||
	       vif->dev.store_state <= XenbusStateInitialising || !is_open(vif->dev.store_state);
}

/* Whoever has a plane of its own for it serves it; a plain backend does all but those of others. */
static bool is_ours(const struct nb_vif *vif, enum nb_datapath wanted)
{
	return vif->nb->config.only ? wanted == NB_DATAPATH_PMD : wanted < NB_DATAPATH_PMD;
}

/* All that are no planes' have TAPs. */
static enum nb_datapath plane_of(enum nb_datapath datapath)
{
	return datapath > NB_DATAPATH_KERNEL ? datapath : NB_DATAPATH_TAP;
}

/* The policy says something new: what was wrong before may not be so any more. */
static void begin_anew(struct nb_vif *vif, enum nb_datapath wanted)
{
	vif->nr_tries = 0;
	if (plane_of(wanted) == plane_of(vif->datapath))
		return;
	change_plane(vif);
	if (vif->dev.disabled && !vif->queues) {
		vif->dev.disabled = false;
		xb_trouble_over(&vif->dev);
	}
}

int nb_datapath_settle(struct nb_vif *vif)
{
	enum nb_datapath wanted;
	int rc;

	rc = read_wanted(vif, &wanted);
	if (rc)
		return rc;
	/* On the core there is no driver of the kernel's for it. */
	if (wanted == NB_DATAPATH_KERNEL && !sysfs(vif))
		wanted = NB_DATAPATH_TAP;
	if (wanted != vif->datapath)
		begin_anew(vif, wanted);
	vif->datapath = wanted;
	if (!is_ours(vif, wanted))
		leave(vif);
	else if (wanted == NB_DATAPATH_KERNEL)
		give_to_kernel(vif);
	else if (wanted == NB_DATAPATH_UNSET && kernels_by_default(vif))
		vif->dev.elsewhere = true;
	else
		take_over(vif);
	return 0;
}

int nb_datapath_contest(struct nb_vif *vif)
{
	uint64_t now = clock_ns();
	char why[XB_WHY_MAX];

	if (vif->dev.store_state == xb_written_state(&vif->dev) || !vif->dev.online ||
	    vif->dev.dead || vif->dev.disabled)
		return 0;
	if (now - vif->contest_ns > CONTEST_WINDOW_NS) {
		vif->contest_ns = now;
		vif->nr_contests = 0;
	}
	vif->nr_contested++;
	if (++vif->nr_contests > CONTESTS_MAX) {
		xb_fail(&vif->dev, "another backend serves it too: end that (a second backend "
				   "daemon?), then detach and attach the vif");
		return 0;
	}
	snprintf(
		why, sizeof(why),
		"another backend wrote its state (%s), which was put right: xen-netback, loaded while "
		"the vif was in service? If the guest has closed the vif, detach and attach it",
		xb_state_name(vif->dev.store_state));
	xb_trouble(&vif->dev, why);
	return xb_write_state(&vif->dev, vif->dev.state == XenbusStateInitWait);
}
