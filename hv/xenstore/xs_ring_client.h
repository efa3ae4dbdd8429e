/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's end of its xenstore ring, as a struct hv_store. */
#ifndef HV_XENSTORE_XS_RING_CLIENT_H
#define HV_XENSTORE_XS_RING_CLIENT_H

#include "hv/store.h"

/**
 * xs_ring_client_open() - Speak to the server over a shared ring
 * @page:	struct xenstore_domain_interface, borrowed until hv_store_close()
 * @poll_fd:	Eventfd that the server signals; read here; borrowed
 * @notify_fd:	Eventfd that signals the server; borrowed
 *
 * Survives a restart of the server: the pending request is sent again, the watches are registered
 * again (each fires once more), open transactions end in -EAGAIN. While the server is away calls
 * block.
 */
int xs_ring_client_open(void *page, int poll_fd, int notify_fd, struct hv_store **store_out);

#endif
