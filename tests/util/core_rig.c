/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/util/core_rig.h"

#include <errno.h>
#include <string.h>

static int open_store(void *arg, uint16_t domid, struct hv_store **store_out)
{
	struct core_rig *c = arg;

	return domid ? -ENOSYS : xs_server_store(c->xs, store_out);
}

void core_rig_init(struct core_rig *c)
{
	int to_guest, from_guest;

	memset(c, 0, sizeof(*c));
	rig_must(loop_create(&c->loop));
	rig_must(xs_server_create_private(c->loop, &c->xs));
	rig_must(core_create(NULL, &c->core));
	core_set_hooks(c->core, &(struct core_hooks){ .store_open = open_store, .arg = c });
	rig_must(core_domain_create(c->core, 4, &c->domid));
	rig_must(hv_core_local(c->core, &c->hv));
	rig_must(core_evtchn_fds(c->core, c->domid, CORE_PORT_STORE, &to_guest, &from_guest));
	rig_must(xs_server_introduce(c->xs, c->domid,
				     core_domain_page(c->core, c->domid, CORE_PAGE_STORE),
				     from_guest, to_guest, false));
	rig_must(hv_guest_attach_local(c->core, c->domid, &c->guest));
}

void core_rig_fini(struct core_rig *c)
{
	hv_guest_detach(c->guest);
	c->hv->close(c->hv);
	xs_server_destroy(c->xs);
	core_destroy(c->core);
	loop_destroy(c->loop);
}

void *core_rig_grant(struct core_rig *c, unsigned int nr, uint32_t *refs)
{
	uint8_t *pages;
	void *p;

	rig_must(hv_guest_pages_alloc(c->guest, nr, &p));
	pages = p;
	for (unsigned int i = 0; i < nr; i++)
		rig_must(hv_guest_grant(c->guest, 0, pages + (size_t)i * CORE_PAGE_SIZE, false,
					&refs[i]));
	return pages;
}
