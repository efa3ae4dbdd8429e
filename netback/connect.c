/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a frontend's keys to queues in service, and back. All keys are the guest's. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "base/log.h"
#include "netback/gref_note.h"
#include "netback/vif.h"

#define BAG_KIND "tap"

#define MTU_DEFAULT 1500u
#define MTU_MAX	    65521u /* so that a frame with its Ethernet header counts in 16 bits */

static int fail(char *why, int rc, const char *text, const char *detail)
{
	snprintf(why, XB_WHY_MAX, "%s%s (%s)", text, detail, strerror(-rc));
	return rc;
}

struct flag_key {
	const char *key;
	size_t offset;
	bool absent;
	bool inverted;
};

#define FLAG(key, field, absent, inverted)                                                         \
	{                                                                                          \
		key, offsetof(struct nb_features, field), absent, inverted                         \
	}

static const struct flag_key flag_keys[] = {
	FLAG("feature-sg", sg, false, false),
	FLAG("feature-gso-tcpv4", gso_v4, false, false),
	FLAG("feature-gso-tcpv6", gso_v6, false, false),
	FLAG("feature-no-csum-offload", csum_v4, false, true),
	FLAG("feature-ipv6-csum-offload", csum_v6, false, false),
	FLAG("feature-rx-notify", rx_notify, false, false),
	FLAG("request-multicast-control", mcast_control, false, false),
};

/* What a frontend of one queue has. */
static int read_ahead(struct nb_vif *vif, char *why)
{
	static const char *const names[] = {
		"request-rx-copy", "xdp-headroom",	 "multi-queue-num-queues", "tx-ring-ref",
		"rx-ring-ref",	   "event-channel-tx",	 "event-channel-rx",	   "event-channel",
		"ctrl-ring-ref",   "event-channel-ctrl",
	};
	struct xb_key keys[XB_AHEAD_MAX];
	unsigned int nr = 0;
	int rc;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		keys[nr++] = (struct xb_key){ XB_FRONTEND, names[i] };
	for (size_t i = 0; i < sizeof(flag_keys) / sizeof(flag_keys[0]); i++)
		keys[nr++] = (struct xb_key){ XB_FRONTEND, flag_keys[i].key };
	_Static_assert(sizeof(names) / sizeof(names[0]) +
				       sizeof(flag_keys) / sizeof(flag_keys[0]) <=
			       XB_AHEAD_MAX,
		       "room for all keys");
	rc = xb_read_ahead(&vif->dev, keys, nr);
	return rc ? fail(why, rc, "frontend keys", "") : 0;
}

static int read_features(struct nb_vif *vif, struct nb_features *f, char *why)
{
	uint32_t value;
	size_t i;
	int rc;

	memset(f, 0, sizeof(*f));
	rc = xb_read_default(&vif->dev, XB_FRONTEND, "request-rx-copy", 1, 0, &value);
	if (rc)
		return fail(why, rc, "frontend key ", "request-rx-copy");
	if (!value)
		return fail(why, -EOPNOTSUPP, "frontend does not receive by copy", "");
	for (i = 0; i < sizeof(flag_keys) / sizeof(flag_keys[0]); i++) {
		const struct flag_key *k = &flag_keys[i];

		rc = xb_read_default(&vif->dev, XB_FRONTEND, k->key, 1, k->absent, &value);
		if (rc)
			return fail(why, rc, "frontend key ", k->key);
		*((bool *)(void *)f + k->offset) = k->inverted ? !value : value;
	}
	rc = xb_read_default(&vif->dev, XB_FRONTEND, "xdp-headroom", NB_HEADROOM_MAX, 0, &value);
	if (rc)
		return fail(why, rc, "frontend key ", "xdp-headroom");
	f->headroom = (uint16_t)value;
	f->mtu = vif->mtu;
	/* What is not offered is not used in the other direction either. */
	f->sg &= !vif->offer.no_sg;
	f->csum_v4 &= !vif->offer.no_csum;
	f->csum_v6 &= !vif->offer.no_csum;
	f->gso_v4 &= !vif->offer.no_gso;
	f->gso_v6 &= !vif->offer.no_gso;
	/* Segments are of several slots and have blank checksums. */
	f->gso_v4 &= f->sg && f->csum_v4;
	f->gso_v6 &= f->sg && f->csum_v6;
	return 0;
}

static int read_refs(struct nb_vif *vif, const char *dir, struct nb_queue_refs *refs, char *why)
{
	char key[48];
	int rc;

#define READ(name, field)                                                                          \
	(snprintf(key, sizeof(key), "%s%s", dir, name),                                            \
	 xb_read_u32(&vif->dev, XB_FRONTEND, key, UINT32_MAX, &refs->field))
	rc = READ("tx-ring-ref", from_ref);
	if (!rc)
		rc = READ("rx-ring-ref", to_ref);
	if (rc)
		return fail(why, rc, "frontend key ", key);
	rc = READ("event-channel-tx", from_port);
	if (!rc)
		rc = READ("event-channel-rx", to_port);
	if (rc != -ENOENT)
		return rc ? fail(why, rc, "frontend key ", key) : 0;
	rc = READ("event-channel", from_port);
#undef READ
	refs->to_port = refs->from_port;
	return rc ? fail(why, rc, "frontend key ", key) : 0;
}

static int read_nr_queues(struct nb_vif *vif, uint32_t *nr, char *why)
{
	/* Not only what we offer: the frontend may have read another backend's offer. */
	int rc = xb_read_default(&vif->dev, XB_FRONTEND, "multi-queue-num-queues", NB_MAX_QUEUES, 1,
				 nr);

	if (!rc && !*nr)
		rc = -ERANGE;
	/* But the policy's holds for all that were offered it; one in service keeps what it has. */
	if (!rc && vif->offer.queues && *nr > vif->offer.queues && !vif->steering.restarted) {
		snprintf(why, XB_WHY_MAX,
			 "the frontend takes %u queues, the policy lets it have %u", *nr,
			 vif->offer.queues);
		return -ERANGE;
	}
	return rc ? fail(why, rc, "frontend key ", "multi-queue-num-queues") : 0;
}

static void on_alert(struct nb_queue *q)
{
	struct nb_vif *vif = q->owner;
	uint64_t one = 1;

	/* A full counter is as good as one more. */
	if (write(vif->nb->alert_fd, &one, sizeof(one)) < 0)
		return;
}

static struct nb_worker *idlest_worker(struct netback *nb)
{
	struct nb_worker *best = nb->workers[0];
	unsigned int i;

	for (i = 1; i < nb->nr_workers; i++)
		if (nb_worker_nr_queues(nb->workers[i]) < nb_worker_nr_queues(best))
			best = nb->workers[i];
	return best;
}

/* The first queue of a port has its name, the others a number behind it. */
static void bag_name(const struct nb_vif *vif, unsigned int queue, char name[IFNAMSIZ + 12])
{
	if (queue)
		snprintf(name, IFNAMSIZ + 12, "%s/%u", vif->port_name, queue);
	else
		snprintf(name, IFNAMSIZ + 12, "%s", vif->port_name);
}

/* What a predecessor had open. -1: nothing. */
static int take_from_bag(struct nb_vif *vif, unsigned int queue)
{
	char name[IFNAMSIZ + 12];

	bag_name(vif, queue, name);
	return fdbag_take(vif->nb->config.bag, BAG_KIND, name);
}

static void close_or_bag(struct nb_vif *vif, unsigned int queue, int fd)
{
	char name[IFNAMSIZ + 12];

	bag_name(vif, queue, name);
	/* Failing costs what is in its queue. */
	if (vif->nb->is_handed_over)
		fdbag_put(vif->nb->config.bag, BAG_KIND, name, fd);
	else
		close(fd);
}

static int add_port_queue(struct nb_vif *vif, unsigned int queue, int *fd_out)
{
	*fd_out = take_from_bag(vif, queue);
	if (*fd_out >= 0)
		return 0;
	return vif->nb->config.port_ops->add_queue(vif->nb->config.ports, vif->port_name, fd_out);
}

static int connect_queue(struct nb_vif *vif, unsigned int id, char *why)
{
	struct nb_queue *q = &vif->queues[id];
	struct nb_queue_refs refs;
	const char *text;
	char dir[24] = "";
	int rc;

	if (vif->nr_queues > 1)
		snprintf(dir, sizeof(dir), "queue-%u/", id);
	rc = read_refs(vif, dir, &refs, why);
	if (rc)
		return rc;
	if (id && !vif->plane) {
		rc = add_port_queue(vif, id, &q->port_fd);
		if (rc && rc != -EOPNOTSUPP)
			return fail(why, rc, "cannot add a queue to ", vif->port_name);
	}
	/* A port of one queue is written to by all of ours, and read by the first. */
	q->shares_port = id && q->port_fd < 0;
	if (!id || q->shares_port)
		q->port_fd = vif->port_fd;
	q->id = id;
	q->hv = vif->nb->xb.hv;
	q->features = &vif->features;
	q->steering = &vif->steering;
	q->credit = &vif->credit;
	q->gref_max = vif->nb->config.max_grefs;
	q->alert = on_alert;
	q->owner = vif;
	rc = nb_queue_connect(q, vif->dev.domid, &refs, &text);
	return rc ? fail(why, rc, text, "") : 0;
}

static int connect_ctrl(struct nb_vif *vif, bool *have_out, char *why)
{
	uint32_t ref, port;
	const char *text;
	int rc;

	*have_out = false;
	rc = xb_read_u32(&vif->dev, XB_FRONTEND, "ctrl-ring-ref", UINT32_MAX, &ref);
	if (rc == -ENOENT)
		return 0;
	if (!rc)
		rc = xb_read_u32(&vif->dev, XB_FRONTEND, "event-channel-ctrl", UINT32_MAX, &port);
	if (rc)
		return fail(why, rc, "frontend key ", "ctrl-ring-ref or event-channel-ctrl");
	rc = nb_queue_connect_ctrl(&vif->queues[0], vif->dev.domid, ref, port, &text);
	*have_out = !rc;
	return rc ? fail(why, rc, text, "") : 0;
}

static void note_path(const struct nb_vif *vif, unsigned int queue, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s-%u", vif->nb->config.notes, vif->dev.name, queue);
}

/* Without notes, the next one serves these rings as well, only slower. */
static void note_grefs(struct nb_vif *vif)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; vif->nb->config.notes && i < vif->nr_queues; i++) {
		struct nb_queue *q = &vif->queues[i];
		struct nb_gref_owner owner = { .domid = vif->dev.domid };
		int rc;

		snprintf(owner.generation, sizeof(owner.generation), "%s", vif->dev.generation);
		owner.from_ref = q->from_page.ref;
		owner.to_ref = q->to_page.ref;
		note_path(vif, i, path);
		rc = nb_gref_note(q, path, &owner, vif->steering.restarted);
		if (rc)
			log_limited(&vif->dev.log_limit, "%s: %s", path, strerror(-rc));
	}
}

void nb_vif_remove_notes(const struct nb_vif *vif)
{
	char path[PATH_MAX];

	if (!vif->nb->config.notes)
		return;
	for (unsigned int i = 0; i < NB_MAX_QUEUES; i++) {
		note_path(vif, i, path);
		if (unlink(path))
			break;
	}
}

static unsigned int offloads(const struct nb_features *f)
{
	/* The kernel knows one switch for both; what a frontend lacks of it we complete. */
	unsigned int tun = f->csum_v4 ? TUN_F_CSUM : 0;

	if (tun && f->gso_v4)
		tun |= TUN_F_TSO4 | TUN_F_TSO_ECN;
	if (tun && f->gso_v6)
		tun |= TUN_F_TSO6 | TUN_F_TSO_ECN;
	return tun;
}

static int start_queues(struct nb_vif *vif, bool together, char *why)
{
	struct nb_worker *w = idlest_worker(vif->nb);
	unsigned int i;
	int rc = 0;

	vif->together = together;
	for (i = 0; i < vif->nr_queues; i++)
		vif->steering.queues[i] = &vif->queues[i];
	if (vif->plane)
		return vif->plane->ops->start(vif->plane_port, vif->queues, vif->nr_queues,
					      together, why);
	for (i = 0; i < vif->nr_queues && !rc; i++)
		rc = nb_worker_attach(together ? w : idlest_worker(vif->nb), &vif->queues[i]);
	return rc ? fail(why, rc, "cannot serve a queue", "") : 0;
}

/* Let no worker look while something that is fixed in service changes, then go on. */
static void stop_queues(struct nb_vif *vif)
{
	if (vif->plane)
		vif->plane->ops->stop(vif->plane_port);
	for (unsigned int i = 0; i < vif->nr_queues; i++)
		nb_worker_detach(&vif->queues[i]);
}

/* A plane asks the queues' features when it is started. */
static int set_up_port(struct nb_vif *vif, char *why)
{
	const struct nb_port_ops *ops = vif->nb->config.port_ops;
	int rc;

	if (vif->plane)
		return 0;
	rc = ops->set_offload(vif->port_fd, offloads(&vif->features));
	if (!rc)
		rc = ops->set_carrier(vif->port_fd, true);
	return rc ? fail(why, rc, "cannot set up ", vif->port_name) : 0;
}

int nb_vif_connect(struct nb_vif *vif, char *why)
{
	bool ctrl = false;
	unsigned int i;
	uint32_t nr = 0;
	bool together;
	int rc;

	rc = read_ahead(vif, why);
	if (!rc)
		rc = read_features(vif, &vif->features, why);
	if (!rc)
		rc = read_nr_queues(vif, &nr, why);
	if (rc)
		return rc;
	vif->queues = calloc(nr, sizeof(vif->queues[0]));
	if (!vif->queues)
		return fail(why, -ENOMEM, "no memory", "");
	vif->dev.connected = true;
	vif->nr_queues = vif->steering.nr_queues = nr;
	for (i = 0; i < nr; i++)
		vif->queues[i].port_fd = -1;
	for (i = 0; i < nr && !rc; i++)
		rc = connect_queue(vif, i, why);
	if (!rc)
		rc = connect_ctrl(vif, &ctrl, why);
	if (rc)
		goto out;
	rc = set_up_port(vif, why);
	if (rc)
		goto out;
	vif->carrier = true;
	if (ctrl)
		note_grefs(vif);
	/* Lists, tables and credit that queues share have one thread. */
	together = ctrl || vif->features.mcast_control || nb_counted(&vif->credit.rate.usec);
	rc = start_queues(vif, together, why);
out:
	if (rc)
		nb_vif_disconnect(vif);
	return rc;
}

void nb_vif_disconnect(struct nb_vif *vif)
{
	if (!vif->queues)
		return;
	stop_queues(vif);
	for (unsigned int i = 0; i < vif->nr_queues; i++) {
		struct nb_queue *q = &vif->queues[i];

		if (q->hv)
			nb_queue_disconnect(q);
		if (i && q->port_fd >= 0 && !q->shares_port)
			close_or_bag(vif, i, q->port_fd);
	}
	/* One that is handed over goes on taking frames. */
	if (!vif->plane && !vif->nb->is_handed_over)
		vif->nb->config.port_ops->set_carrier(vif->port_fd, false);
	vif->carrier = false;
	memset(&vif->steering, 0, sizeof(vif->steering));
	free(vif->queues);
	vif->queues = NULL;
	vif->nr_queues = 0;
	vif->dev.connected = false;
}

int nb_vif_reconfigure(struct nb_vif *vif, char *why)
{
	uint32_t headroom;
	int rc;

	rc = xb_read_default(&vif->dev, XB_FRONTEND, "xdp-headroom", NB_HEADROOM_MAX, 0, &headroom);
	if (rc)
		return fail(why, rc, "frontend key ", "xdp-headroom");
	if (headroom == vif->features.headroom)
		return 0;
	stop_queues(vif);
	vif->features.headroom = (uint16_t)headroom;
	return start_queues(vif, vif->together, why);
}

int nb_vif_read_rate(struct nb_vif *vif)
{
	char text[64], why[XB_WHY_MAX];
	struct nb_rate rate;
	int rc;

	if (vif->rate_known)
		return 0;
	rc = xb_read_text(&vif->dev, XB_BACKEND, "rate", text, sizeof(text));
	if (xb_failed(rc))
		return rc;
	vif->rate_known = true;
	vif->rate_rc = rc == -ENOENT ? nb_rate_parse(NULL, &rate) : rc;
	if (!rc)
		vif->rate_rc = nb_rate_parse(text, &rate);
	/* A limit that was not understood stays as it was. */
	if (vif->rate_rc)
		return 0;
	if (vif->queues && rate.usec && !vif->credit.rate.usec) {
		stop_queues(vif);
		if (start_queues(vif, true, why))
			xb_trouble(&vif->dev, why);
	}
	__atomic_store_n(&vif->credit.rate.bytes, rate.bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&vif->credit.rate.usec, rate.usec, __ATOMIC_RELAXED);
	return 0;
}

static bool is_name_of_another(const struct nb_vif *vif, const char *name)
{
	unsigned int domid, devid;
	char end;

	return strcmp(name, vif->dev.name) && sscanf(name, "vif%u.%u%c", &domid, &devid, &end) == 2;
}

/* The name that the guest's configuration gives the port, or the usual one. */
static int read_port_name(struct nb_vif *vif, char *why)
{
	char name[IFNAMSIZ];
	int rc = xb_read_text(&vif->dev, XB_BACKEND, "vifname", name, sizeof(name));

	memcpy(vif->port_name, vif->dev.name, sizeof(vif->dev.name));
	if (rc == -ENOENT || (!rc && !name[0]))
		return 0;
	/* What the kernel takes for the name of a device: dev_valid_name(). */
	if (!rc && (strpbrk(name, "/: ") || !strcmp(name, ".") || !strcmp(name, "..")))
		rc = -EINVAL;
	if (rc)
		return fail(why, rc,
			    "vifname is not the name of a device: 1 to 15 letters, digits, "
			    "'-', '_' or '.' are",
			    "");
	if (is_name_of_another(vif, name))
		return fail(why, -EINVAL, "vifname is another vif's name: ", name);
	memcpy(vif->port_name, name, sizeof(name));
	return 0;
}

static int open_plane(struct nb_vif *vif, char *why)
{
	const struct nb_plane *plane = &vif->nb->config.planes[vif->datapath];
	int rc;

	if (!plane->ops) {
		snprintf(why, XB_WHY_MAX,
			 "datapath: dpdk, but this vifrost-netback has no switch of its own: set "
			 "datapath: tap");
		return -EOPNOTSUPP;
	}
	snprintf(why, XB_WHY_MAX, "the datapath cannot make its port");
	rc = plane->ops->open(plane->ctx, vif->dev.domid, vif->dev.devid, vif->port_name, vif->mtu,
			      &vif->plane_port, &vif->ifindex, why);
	if (!rc)
		vif->plane = plane;
	return rc;
}

int nb_vif_open_port(struct nb_vif *vif, char *why)
{
	const struct netback_config *config = &vif->nb->config;
	int rc;

	if (nb_vif_has_port(vif))
		return 0;
	rc = xb_read_default(&vif->dev, XB_BACKEND, "mtu", MTU_MAX, MTU_DEFAULT, &vif->mtu);
	if (!rc && vif->mtu < 68)
		rc = -ERANGE;
	if (rc)
		return fail(why, rc, "backend key ", "mtu");
	if (vif->rate_rc)
		return fail(why, vif->rate_rc, "backend key ", "rate");
	rc = read_port_name(vif, why);
	if (rc)
		return rc;
	if (vif->datapath > NB_DATAPATH_KERNEL)
		return open_plane(vif, why);
	vif->port_fd = take_from_bag(vif, 0);
	if (vif->port_fd >= 0) {
		vif->ifindex = if_nametoindex(vif->port_name);
		return 0;
	}
	rc = config->port_ops->open(config->ports, vif->port_name, vif->mtu, &vif->port_fd,
				    &vif->ifindex);
	if (rc == -EEXIST)
		return fail(why, rc, "another device has the name ", vif->port_name);
	if (rc)
		return fail(why, rc, "cannot make the TAP ", vif->port_name);
	return 0;
}

void nb_vif_leave_port(struct nb_vif *vif)
{
	if (vif->plane)
		vif->plane->ops->close(vif->plane_port);
	if (vif->port_fd >= 0)
		close_or_bag(vif, 0, vif->port_fd);
	vif->plane = NULL;
	vif->plane_port = NULL;
	vif->port_fd = -1;
	vif->ifindex = 0;
}

void nb_vif_release_port(struct nb_vif *vif)
{
	if (vif->port_fd < 0) {
		nb_vif_leave_port(vif);
		return;
	}
	vif->nb->config.port_ops->release(vif->nb->config.ports, vif->port_name, vif->port_fd);
	vif->port_fd = -1;
	vif->ifindex = 0;
}
