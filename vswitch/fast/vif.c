/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hv/engine_ns.h"
#include "vswitch/fast/fast_priv.h"

struct fast_vif *fast_vif_find(const struct fast *f, const char *name)
{
	struct list *l;

	list_for_each (&f->vifs, l) {
		struct fast_vif *vif = list_entry(l, struct fast_vif, all);

		if (!strcmp(vif->name, name))
			return vif;
	}
	return NULL;
}

int fast_vif_get(struct fast *f, const char *name, struct fast_vif **vif_out)
{
	struct fast_vif *vif = fast_vif_find(f, name);

	*vif_out = vif;
	if (vif)
		return 0;
	vif = aligned_alloc(64, (sizeof(*vif) + 63) / 64 * 64);
	if (!vif)
		return -ENOMEM;
	memset(vif, 0, sizeof(*vif));
	vif->fast = f;
	snprintf(vif->name, sizeof(vif->name), "%s", name);
	snprintf(vif->port.name, sizeof(vif->port.name), "%s", name);
	vif->port.ops = &fast_vif_ops;
	vif->port.kind = FAST_GUEST;
	vif->port.fd = -1;
	list_append(&f->vifs, &vif->all);
	*vif_out = vif;
	return 0;
}

void fast_vif_put(struct fast_vif *vif)
{
	if (vif->is_open || vif->has_doc)
		return;
	list_remove(&vif->all);
	fast_device_close(vif->device);
	fast_gate_destroy(vif->gate);
	free(vif);
}

struct move {
	struct fast_vif *vif;
	struct fast_net *net;
	int rc;
};

static void join(void *arg)
{
	struct move *m = arg;

	m->rc = fast_member_update(&m->vif->port, &m->vif->doc, m->vif->gate);
	if (!m->rc)
		m->rc = fast_member_add(m->net, &m->vif->port);
}

static void update(void *arg)
{
	struct move *m = arg;

	m->rc = fast_member_update(&m->vif->port, &m->vif->doc, m->vif->gate);
}

static void leave(void *arg)
{
	fast_member_remove(arg);
}

void fast_vif_leave(struct fast_vif *vif)
{
	if (vif->port.id)
		fast_thread_call(vif->port.net->thread, leave, &vif->port);
}

static const char *join_error(int rc)
{
	switch (rc) {
	case -ENOSPC:
		return "its network has as many ports as it can: use a second network";
	case -EEXIST:
		return "another port of its network has its MAC: one of them needs another";
	default:
		return strerror(-rc);
	}
}

static struct fast_net *find_net(const struct fast_vif *vif)
{
	return vif->has_doc && (vif->queues || vif->doc.is_vhost)
		       ? fast_net_find(vif->fast, vif->doc.network)
		       : NULL;
}

/* QEMU, a user of its domain's, connects to it as soon as it can, and again. */
static int settle_device(struct fast_vif *vif, const struct fast_net *net)
{
	bool wanted = net && vif->doc.is_vhost;
	char path[PATH_MAX];
	unsigned int domid;

	if (wanted == (vif->device != NULL))
		return 0;
	fast_vif_leave(vif);
	if (!wanted) {
		fast_device_close(vif->device);
		vif->device = NULL;
		vif->port.ops = &fast_vif_ops;
		return 0;
	}
	if (!vif->fast->config.vhost || sscanf(vif->name, "vif%5u.", &domid) != 1)
		return -EOPNOTSUPP;
	if (mkdir(vif->fast->config.vhost, 0711) < 0 && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), "%s/%s.sock", vif->fast->config.vhost, vif->name);
	return fast_vhost_open(path, NS_UID_BASE(domid), net->doc.mtu, &vif->device, vif->trouble);
}

int fast_vif_settle(struct fast_vif *vif)
{
	struct move m = { .vif = vif, .net = find_net(vif) };
	struct fast_port *p = &vif->port;

	vif->trouble[0] = '\0';
	if (p->id && p->net != m.net)
		fast_vif_leave(vif);
	m.rc = settle_device(vif, m.net);
	if (m.rc && !vif->trouble[0])
		snprintf(vif->trouble, sizeof(vif->trouble), "%s", strerror(-m.rc));
	if (!m.net || m.rc)
		return m.rc;
	if (p->id) {
		fast_thread_call(m.net->thread, update, &m);
	} else {
		p->queues = vif->queues;
		p->nr_queues = vif->nr_queues;
		p->next_queue = 0;
		if (vif->device)
			fast_device_init(p, vif->device);
		fast_thread_call(m.net->thread, join, &m);
	}
	if (m.rc)
		snprintf(vif->trouble, sizeof(vif->trouble), "%s", join_error(m.rc));
	return m.rc;
}

int fast_vif_set(struct fast_vif *vif, const struct fast_port_doc *doc, struct fast_gate *gate)
{
	struct fast_gate *old = vif->gate;
	int rc;

	vif->has_doc = doc != NULL;
	if (doc)
		vif->doc = *doc;
	vif->gate = gate;
	rc = fast_vif_settle(vif);
	fast_gate_destroy(old);
	return rc;
}
