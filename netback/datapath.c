/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who serves a vif on a real Xen: we, or the kernel's own driver. The key "vifrost-datapath" of its
 * backend area decides; without one, who came first: the kernel where its driver is loaded. A vif in
 * service changes hands as it does between us and a successor: its state stands, its rings are taken
 * up where they are.
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

static int read_wanted(struct nb_vif *vif, enum nb_datapath *wanted_out)
{
	char text[16];
	int rc = nb_xb_read_text(vif, NB_BACKEND, "vifrost-datapath", text, sizeof(text));

	*wanted_out = NB_DATAPATH_UNSET;
	if (!rc && !strcmp(text, "tap"))
		*wanted_out = NB_DATAPATH_TAP;
	else if (!rc && !strcmp(text, "kernel"))
		*wanted_out = NB_DATAPATH_KERNEL;
	else if (rc != -ENOENT && !nb_xb_failed(rc))
		nb_trouble(vif, "vifrost-datapath is neither 'tap' nor 'kernel'");
	return nb_xb_failed(rc) ? rc : 0;
}

/* Bind or unbind the kernel's driver. -EAGAIN: is tried again soon. */
static int bind_kernel(struct nb_vif *vif, bool on)
{
	char why[NB_REASON_MAX];
	int rc = nb_kernel_bind(sysfs(vif), vif->domid, vif->devid, on);

	if (!rc) {
		vif->nr_tries = 0;
		return 0;
	}
	if (vif->nr_tries < TRIES_MAX) {
		nb_look_again(vif,
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
	nb_trouble(vif, why);
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
	char why[NB_REASON_MAX];

	if (!max || vif->nr_queues <= max)
		return false;
	snprintf(
		why, sizeof(why),
		"datapath: kernel, but the guest uses %u queues and xen-netback takes %u: raise its "
		"max_queues in /sys" MAX_QUEUES_DIR ", or detach and attach the vif",
		vif->nr_queues, max);
	nb_trouble(vif, why);
	return true;
}

static void give_to_kernel(struct nb_vif *vif)
{
	if (!vif->kernel && too_many_queues(vif))
		return;
	nb_vif_disconnect(vif);
	nb_vif_release_port(vif);
	vif->kernel = true;
	if (!nb_kernel_loaded(sysfs(vif))) {
		nb_trouble(vif, "datapath: kernel, but xen-netback is not loaded: 'modprobe "
				"xen-netback', or set datapath: tap");
		return;
	}
	if (!is_open(vif->store_state) || !vif->online)
		return;
	if (nb_kernel_bound(sysfs(vif), vif->domid, vif->devid) || !bind_kernel(vif, true))
		nb_trouble_over(vif);
}

static void take_from_kernel(struct nb_vif *vif)
{
	bool bound = nb_kernel_bound(sysfs(vif), vif->domid, vif->devid);
	bool serving = vif->port_fd >= 0;

	if (bound && serving)
		nb_trouble(vif, "xen-netback was bound to it while in service: unbound again");
	if (bound && bind_kernel(vif, false)) {
		vif->kernel = !serving;
		return;
	}
	if (serving || (!vif->kernel && !bound))
		return;
	log_debug("%s: taken over from xen-netback", vif->name);
	nb_trouble_over(vif);
	vif->kernel = false;
	vif->taken = vif->new_area = true;
}

/* Without a key: a vif in service stays whose it is, a new one is the kernel's where that can be. */
static bool kernels_by_default(const struct nb_vif *vif)
{
	if (!nb_kernel_loaded(sysfs(vif)) || vif->port_fd >= 0)
		return false;
	return vif->kernel || nb_kernel_bound(sysfs(vif), vif->domid, vif->devid) ||
	       vif->store_state <= XenbusStateInitialising || !is_open(vif->store_state);
}

int nb_datapath_settle(struct nb_vif *vif)
{
	enum nb_datapath wanted;
	int rc;

	if (!sysfs(vif))
		return 0;
	rc = read_wanted(vif, &wanted);
	if (rc)
		return rc;
	if (wanted != vif->datapath)
		vif->nr_tries = 0;
	vif->datapath = wanted;
	if (wanted == NB_DATAPATH_KERNEL)
		give_to_kernel(vif);
	else if (wanted == NB_DATAPATH_UNSET && kernels_by_default(vif))
		vif->kernel = true;
	else
		take_from_kernel(vif);
	return 0;
}

int nb_datapath_contest(struct nb_vif *vif)
{
	uint64_t now = clock_ns();
	char why[NB_REASON_MAX];

	if (vif->store_state == nb_vif_written_state(vif) || !vif->online || vif->dead ||
	    vif->disabled)
		return 0;
	if (now - vif->contest_ns > CONTEST_WINDOW_NS) {
		vif->contest_ns = now;
		vif->nr_contests = 0;
	}
	vif->nr_contested++;
	if (++vif->nr_contests > CONTESTS_MAX) {
		nb_vif_disable(vif, "another backend serves it too: end that (a second backend "
				    "daemon?), then detach and attach the vif");
		return 0;
	}
	snprintf(
		why, sizeof(why),
		"another backend wrote its state (%s), which was put right: xen-netback, loaded while "
		"the vif was in service? If the guest has closed the vif, detach and attach it",
		nb_state_name(vif->store_state));
	nb_trouble(vif, why);
	return nb_xb_write_state(vif, nb_vif_written_state(vif), vif->state == XenbusStateInitWait);
}
