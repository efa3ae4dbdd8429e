/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The seam on a real Xen: what must be there, and what to say when it is not. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenstore_lib.h>
#include <xentoollog.h>

#include "base/unixsock.h"
#include "hv/xen_priv.h"

static void swallow(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
		    const char *context, const char *format, va_list al)
{
	(void)logger, (void)level, (void)errnoval, (void)context, (void)format, (void)al;
}

struct xentoollog_logger xen_silent = { .vmessage = swallow };

static bool there(const char *root, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", root, name);
	return !access(path, F_OK);
}

/* The first line of a file, or "". */
static void first_line(const char *root, const char *name, char line[64])
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	f = fopen(path, "re");
	if (!f || !fgets(line, 64, f))
		line[0] = '\0';
	if (f)
		fclose(f);
}

static bool is_here(const char *root)
{
	char type[64];

	first_line(root, "/sys/hypervisor/type", type);
	return !strncmp(type, "xen", 3);
}

bool hv_xen_is_here(void)
{
	return is_here("");
}

static bool is_dom0(const char *root)
{
	char line[64];

	first_line(root, "/proc/xen/capabilities", line);
	return strstr(line, "control_d");
}

bool hv_xen_is_dom0(void)
{
	return is_dom0("");
}

static int check_drivers(const char *root, char why[HV_WHY_MAX])
{
	static const struct {
		const char *device, *module;
	} drivers[] = {
		{ "/dev/xen/evtchn", "xen-evtchn" },
		{ "/dev/xen/gntdev", "xen-gntdev" },
	};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		if (there(root, drivers[i].device))
			continue;
		snprintf(why, HV_WHY_MAX, "%s is not there: load its driver, 'modprobe %s'",
			 drivers[i].device, drivers[i].module);
		return -ENXIO;
	}
	return 0;
}

/* xenstored itself is in need of more than we are. */
static void explain_store(const char *root, const char *path, int rc, char why[HV_WHY_MAX])
{
	const char *cure = "start it with the host's other Xen services";

	if (there(root, "/proc/xen/capabilities") && !is_dom0(root))
		cure = "this is a guest of a Xen, not its domain 0";
	else if (!there(root, "/dev/xen/privcmd"))
		cure = "it needs /dev/xen/privcmd: 'modprobe xen-privcmd', then start it with the "
		       "host's other Xen services";
	snprintf(why, HV_WHY_MAX, "xenstored does not answer at %.80s (%s): %s", path,
		 strerror(-rc), cure);
}

int xen_check(const char *root, bool store_only, char why[HV_WHY_MAX])
{
	int fd;

	if (!is_here(root)) {
		snprintf(why, HV_WHY_MAX, "this machine does not run on Xen");
		return -ENODEV;
	}
	if (!store_only) {
		int rc = check_drivers(root, why);

		if (rc < 0)
			return rc;
	}
	/* libxenstore would turn to the kernel's ring next, which then waits for xenstored for ever. */
	fd = unixsock_connect(xs_daemon_socket(), SOCK_STREAM);
	if (fd < 0) {
		explain_store(root, xs_daemon_socket(), fd, why);
		return fd;
	}
	close(fd);
	return 0;
}

static int xen_open_store(struct hv *hv)
{
	return hv_store_connect(xs_daemon_socket(), &hv->store);
}

static void xen_close(struct hv *hv)
{
	struct xen_hv *xen = (struct xen_hv *)(void *)hv;

	hv_store_close(hv->store);
	xen_gnttab_close(xen);
	free(xen);
}

int hv_xen_connect(struct hv **hv_out, char why[HV_WHY_MAX])
{
	int rc = xen_check("", false, why);
	struct xen_hv *xen;

	if (rc < 0)
		return rc;
	xen = calloc(1, sizeof(*xen));
	if (!xen) {
		snprintf(why, HV_WHY_MAX, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	xen->hv = (struct hv){ .evtchn = &xen_evtchn_ops,
			       .gnt = &xen_gnt_ops,
			       .domain = &xen_domain_ops,
			       .is_xen = true,
			       .open_store = xen_open_store,
			       .close = xen_close };
	rc = xen_gnttab_open(xen);
	if (rc < 0)
		snprintf(why, HV_WHY_MAX, "/dev/xen/gntdev: %s", strerror(-rc));
	else
		rc = xen_open_store(&xen->hv);
	if (rc < 0) {
		xen_close(&xen->hv);
		return rc;
	}
	*hv_out = &xen->hv;
	return 0;
}

int hv_xen_store_open(struct hv_store **store_out, char why[HV_WHY_MAX])
{
	int rc = xen_check("", true, why);

	if (rc == 0)
		rc = hv_store_connect(xs_daemon_socket(), store_out);
	return rc;
}
