/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core over sockets: a backend's connection to vifrost-hvd, and a guest's inherited end. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/rundir.h"
#include "base/unixsock.h"
#include "hv/core.h"
#include "hv/core_backend.h"
#include "hv/guest_priv.h"
#include "hv/xenstore/xs_ring_client.h"

static int core_open_store(struct hv *hv)
{
	return hv_store_connect(((struct core_backend *)(void *)hv)->store_path, &hv->store);
}

int hv_core_connect(const char *rundir, struct hv **hv_out)
{
	struct hypercall_link link;
	struct core_backend *b;
	char path[PATH_MAX];
	int fd, rc;

	rundir_file(path, rundir, RUNDIR_HYPERCALL_SOCKET);
	fd = unixsock_connect(path, SOCK_SEQPACKET);
	if (fd < 0)
		return fd;
	hypercall_link_socket(&link, fd);
	rc = core_backend_create(&link, &b);
	if (rc < 0) {
		hypercall_link_fini(&link);
		return rc;
	}
	b->socket_path = strdup(path);
	rundir_file(path, rundir, RUNDIR_XENSTORED_SOCKET);
	b->store_path = strdup(path);
	b->hv.open_store = core_open_store;
	rc = b->socket_path && b->store_path ? core_open_store(&b->hv) : -ENOMEM;
	if (rc < 0) {
		b->hv.close(&b->hv);
		return rc;
	}
	*hv_out = &b->hv;
	return 0;
}

/* @used: others were this guest before us. */
static int attach(int hypercall_fd, bool used, struct hv_guest **guest_out)
{
	struct hypercall_link link;
	struct guest_core *g;
	int rc;

	hypercall_link_socket(&link, hypercall_fd);
	rc = guest_core_create(&link, &g);
	if (rc < 0)
		return rc;
	if (used)
		guest_core_take_over(g);
	rc = xs_ring_client_open(g->pages + (size_t)CORE_PAGE_STORE * CORE_PAGE_SIZE, g->store_fd,
				 g->store_notify_fd, &g->guest.store);
	if (rc < 0) {
		hv_guest_detach(&g->guest);
		return rc;
	}
	*guest_out = &g->guest;
	return 0;
}

int hv_guest_attach(int hypercall_fd, struct hv_guest **guest_out)
{
	return attach(hypercall_fd, false, guest_out);
}

static const char *attach_failure(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "no such socket: is the guest running, with frontend = \"program\"?";
	case -ECONNREFUSED:
		return "nobody serves it: start vifrost-hvd";
	case -EBUSY:
		return "another program is this guest's frontend: end that first";
	case -EACCES:
		return "it is for root only, the host's and the guest's";
	default:
		return strerror(-rc);
	}
}

int hv_guest_attach_socket(const char *path, struct hv_guest **guest_out, char why[HV_WHY_MAX])
{
	int rc = unixsock_connect(path, SOCK_SEQPACKET);

	if (rc >= 0) {
		rc = attach(rc, true, guest_out);
		/* One too many is hung up on. */
		if (rc == -ECONNRESET)
			rc = -EBUSY;
	}
	if (rc < 0)
		snprintf(why, HV_WHY_MAX, "%.100s: %s", path, attach_failure(rc));
	return rc;
}
