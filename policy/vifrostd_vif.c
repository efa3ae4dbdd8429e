/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vif's life as the control daemon sees it, by the state in its backend area:
 *
 *	1		the backend is not ready; on a real Xen it is told which backend is to serve it
 *	2, 3, 4, 7, 8	its link is placed, and hotplug-status says so
 *	5, 6, absent	it goes: forgotten
 *
 * Everything is read again on every event, so that a number used again is never taken for the guest
 * that had it before.
 */
#include "policy/vifrostd_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/xenbus.h>

#define PATH_LEN 96

const char *vif_state_name(enum vif_state state)
{
	static const char *const names[] = {
		[VIF_WAITING] = "waiting",	   [VIF_CONNECTED] = "connected",
		[VIF_QUARANTINED] = "quarantined", [VIF_ERROR] = "error",
		[VIF_UNMANAGED] = "unmanaged",
	};

	return names[state];
}

static uint64_t key_hash(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	uint32_t key = (uint32_t)domid << 16 | devid;

	return htab_hash(&d->vifs, &key, sizeof(key));
}

struct vif *vif_find(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	struct htab_node *node = htab_first(&d->vifs, key_hash(d, domid, devid));
	struct vif *vif;

	for (; node; node = htab_next_match(node)) {
		vif = htab_entry(node, struct vif, node);
		if (vif->domid == domid && vif->devid == devid)
			return vif;
	}
	return NULL;
}

struct vif *vif_next(struct vifrostd *d, struct vif *vif)
{
	struct htab_node *node = htab_walk(&d->vifs, vif ? &vif->node : NULL);

	return node ? htab_entry(node, struct vif, node) : NULL;
}

/* Of "vif<domid>.<devid>". Return: false: it is not that. */
static bool parse_name(const char *name, uint16_t *domid, uint16_t *devid)
{
	char text[IFNAMSIZ + 8];
	unsigned int dom, dev;

	if (sscanf(name, "vif%5u.%5u", &dom, &dev) != 2 || dom > UINT16_MAX || dev > UINT16_MAX)
		return false;
	*domid = (uint16_t)dom;
	*devid = (uint16_t)dev;
	snprintf(text, sizeof(text), "vif%u.%u", dom, dev);
	return !strcmp(text, name);
}

/* The vif whose own name, or whose link's, that is. Few have another: only then all are looked through. */
static struct vif *find_by(struct vifrostd *d, const char *name,
			   bool (*fits)(const struct vif *vif, const char *name))
{
	struct vif *vif = NULL;
	uint16_t domid, devid;

	if (parse_name(name, &domid, &devid)) {
		vif = vif_find(d, domid, devid);
		if (vif && fits(vif, name))
			return vif;
		vif = NULL;
	}
	while (d->has_vifnames && (vif = vif_next(d, vif)))
		if (fits(vif, name))
			return vif;
	return NULL;
}

static bool is_called(const struct vif *vif, const char *name)
{
	return !strcmp(vif->name, name) || !strcmp(vif->link, name);
}

struct vif *vif_find_name(struct vifrostd *d, const char *name)
{
	return find_by(d, name, is_called);
}

static void name_path(uint16_t domid, char path[PATH_LEN])
{
	snprintf(path, PATH_LEN, "/local/domain/%u/name", domid);
}

/* The guest may be given another name as it runs. */
static int watch_name(struct vifrostd *d, const struct vif *vif)
{
	char path[PATH_LEN];

	name_path(vif->domid, path);
	return hv_store_watch(d->store, path, vif->name);
}

/* Ports and guards of a link that is no more. Return: false: it is still there. */
static bool clear_link(struct vifrostd *d, const char *name)
{
	const struct vif *vif = vif_find_name(d, name);
	struct vs_link link;
	char why[VS_TEXT_LEN];

	/* A port that needs no link has its name. */
	if (vif && vif->has_pmd)
		return true;
	if (!d->policy || d->sys->ops->link(d->sys, name, &link) != -ENODEV)
		return false;
	if (vs_forget_link(d->sys, name, why))
		log_warning("what is left of %s cannot be removed: %s", name, why);
	return true;
}

/*
 * netback does not delete a TAP, it gives it another name, soon after its vif is gone from the store; of
 * a name that has gone the kernel tells nothing. So it is looked for when something happens to a link.
 */
static void clear_later(struct vifrostd *d, const char *name)
{
	size_t i = 0;

	if (!name[0] || clear_link(d, name))
		return;
	while (i < d->nr_gone && strcmp(d->gone[i], name) != 0)
		i++;
	if (i < d->nr_gone || !d->policy)
		return;
	if (i == sizeof(d->gone) / sizeof(d->gone[0]))
		memmove(d->gone[0], d->gone[1], --d->nr_gone * sizeof(d->gone[0]));
	memcpy(d->gone[d->nr_gone++], name, strnlen(name, IFNAMSIZ - 1) + 1);
}

static void clear_gone(struct vifrostd *d)
{
	for (size_t i = d->nr_gone; i-- > 0;)
		if (clear_link(d, d->gone[i]))
			memmove(d->gone[i], d->gone[i + 1],
				(--d->nr_gone - i) * sizeof(d->gone[0]));
}

static void vif_forget(struct vifrostd *d, struct vif *vif)
{
	char path[PATH_LEN];

	if (!vif)
		return;
	name_path(vif->domid, path);
	if (d->store)
		hv_store_unwatch(d->store, path, vif->name);
	htab_remove(&d->vifs, &vif->node);
	twin_forget(d, vif);
	free(vif);
}

/* It is gone, and not just we are. */
static void forget_for_good(struct vifrostd *d, struct vif *vif)
{
	char names[2][IFNAMSIZ];

	if (!vif)
		return;
	memcpy(names[0], vif->name, IFNAMSIZ);
	memcpy(names[1], vif->vifname, IFNAMSIZ);
	vif_forget(d, vif);
	clear_later(d, names[0]);
	clear_later(d, names[1]);
}

/* NULL: out of memory, or out of the store's room for watches. */
static struct vif *vif_get(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	struct vif *vif = vif_find(d, domid, devid);

	if (vif)
		return vif;
	vif = calloc(1, sizeof(*vif));
	if (!vif)
		return NULL;
	vif->domid = vif->who.domid = domid;
	vif->devid = vif->who.devid = devid;
	snprintf(vif->name, sizeof(vif->name), "vif%u.%u", domid, devid);
	if (htab_insert(&d->vifs, &vif->node, key_hash(d, domid, devid))) {
		free(vif);
		return NULL;
	}
	if (watch_name(d, vif) || hv_store_introduced(d->store, domid, &vif->was_introduced)) {
		vif_forget(d, vif);
		return NULL;
	}
	return vif;
}

void vif_forget_all(struct vifrostd *d)
{
	struct vif *vif;

	while ((vif = vif_next(d, NULL)))
		vif_forget(d, vif);
}

/* A guest that restarts has two vifs for a while. */
static bool has_successor(struct vifrostd *d, const struct vif *vif)
{
	const struct vs_vif *was = &vif->placement.vif;

	for (struct vif *other = vif_next(d, NULL); other; other = vif_next(d, other)) {
		const struct vs_vif *is = &other->placement.vif;

		if (other != vif && !strcmp(is->network, was->network) &&
		    is->nr_addrs == was->nr_addrs &&
		    !memcmp(is->addrs, was->addrs, was->nr_addrs * sizeof(was->addrs[0])))
			return true;
	}
	return false;
}

/* Its link goes, and all that is on that. */
static void vif_leave(struct vifrostd *d, const struct vif *vif)
{
	const struct vs_network *n;
	char why[VS_TEXT_LEN];

	if (!vif || !vif->placement.is_placed || has_successor(d, vif))
		return;
	n = vs_wanted_network(&d->networks, vif->placement.vif.network);
	if (n && vs_leave_vif(d->sys, n, &vif->placement.vif, why))
		log_err("%s: cannot take back what its network had for it: %s", vif->name, why);
}

static bool is_over(uint32_t state)
{
	return state == XenbusStateUnknown || state == XenbusStateClosing ||
	       state == XenbusStateClosed;
}

/* What the vif's area says; of one that has just come its state alone, which mostly means to wait. */
static int read_area(struct vifrostd *d, uint16_t domid, uint16_t devid, struct vif **vif,
		     uint32_t *state)
{
	int rc = 0;

	*vif = vif_find(d, domid, devid);
	if (!*vif) {
		rc = vif_read_state(d, domid, devid, state);
		if (rc || is_over(*state))
			return rc;
		*vif = vif_get(d, domid, devid);
		if (!*vif || (*state == XenbusStateInitialising && !d->is_xen && !d->has_offers))
			return 0;
	}
	return vif_read_all(d, *vif, state);
}

int vif_update(struct vifrostd *d, uint16_t domid, uint16_t devid)
{
	struct vif *vif = vif_find(d, domid, devid);
	bool has_mac = vif && vif->has_mac;
	uint8_t mac[MAC_LEN];
	uint32_t state;
	int rc;

	if (has_mac)
		memcpy(mac, vif->mac, MAC_LEN);
	rc = read_area(d, domid, devid, &vif, &state);
	if (rc)
		return rc;
	if (is_over(state)) {
		if (vif)
			vif_drop_port(d, vif);
		vif_leave(d, vif);
		forget_for_good(d, vif);
		if (has_mac)
			twin_release(d, mac);
		return 0;
	}
	if (!vif) {
		log_err("vif%u.%u: out of memory", domid, devid);
		return 0;
	}
	vif->is_ready = state != XenbusStateInitialising;
	if (vif->is_ready)
		return vif_place(d, vif);
	vif->state = VIF_WAITING;
	snprintf(vif->reason, sizeof(vif->reason), "the backend has not offered it yet");
	rc = d->is_xen || d->has_offers ? vif_assign(d, vif) : 0;
	/* Its backend comes with its port. */
	if (rc || vif->wanted != VIF_DATAPATH_PMD)
		return rc;
	vif->is_ready = true;
	return vif_place(d, vif);
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Names of a folder that are numbers, older domains first. Return: how many of @numbers were filled; -ECONNRESET. */
static int list_numbers(struct vifrostd *d, const char *path, uint16_t **numbers_out)
{
	char **names;
	unsigned int nr;
	uint32_t n;
	int count = 0;
	int rc = hv_store_directory(d->store, 0, path, &names, &nr);

	*numbers_out = NULL;
	if (rc)
		return rc == -ECONNRESET ? rc : 0;
	*numbers_out = calloc(nr + 1, sizeof(**numbers_out));
	for (unsigned int i = 0; *numbers_out && i < nr; i++)
		if (!parse_u32(names[i], UINT16_MAX, &n))
			(*numbers_out)[count++] = (uint16_t)n;
	free(names);
	if (*numbers_out)
		qsort(*numbers_out, (size_t)count, sizeof(**numbers_out), compare_numbers);
	return count;
}

int vif_update_domain(struct vifrostd *d, uint16_t domid)
{
	char path[PATH_LEN];
	uint16_t *devids;
	struct vif *vif, *next;
	int rc = 0, nr;

	/* Those known first: they may be gone from the store. */
	for (vif = vif_next(d, NULL); !rc && vif; vif = next) {
		next = vif_next(d, vif);
		if (vif->domid == domid)
			rc = vif_update(d, domid, vif->devid);
	}
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "backend/vif/%u", domid);
	nr = list_numbers(d, path, &devids);
	for (int i = 0; !rc && i < nr; i++)
		if (!vif_find(d, domid, devids[i]))
			rc = vif_update(d, domid, devids[i]);
	free(devids);
	return nr < 0 ? nr : rc;
}

int vif_update_all(struct vifrostd *d)
{
	struct vif *vif, *next;
	uint16_t *domids;
	int rc = 0;
	int nr;

	for (vif = vif_next(d, NULL); !rc && vif; vif = next) {
		next = vif_next(d, vif);
		rc = vif_update(d, vif->domid, vif->devid);
	}
	if (rc)
		return rc;
	nr = list_numbers(d, "backend/vif", &domids);
	for (int i = 0; !rc && i < nr; i++)
		rc = vif_update_domain(d, domids[i]);
	free(domids);
	return nr < 0 ? nr : rc;
}

static bool is_same_offer(const struct place_offer *a, const struct place_offer *b)
{
	return a->queues == b->queues && a->no_csum == b->no_csum && a->no_gso == b->no_gso &&
	       a->no_sg == b->no_sg && a->trusted == b->trusted;
}

/* Whether the same is wanted of a vif; by which line of the policy does not matter. */
static bool is_same_place(const struct placement *a, const struct placement *b)
{
	return a->is_placed && b->is_placed && a->datapath == b->datapath &&
	       is_same_offer(&a->offer, &b->offer) && vs_vif_same(&a->vif, &b->vif);
}

int vif_update_changed(struct vifrostd *d, bool is_planned)
{
	struct vif *vif, *next;
	struct placement p;
	int rc = 0;

	for (vif = vif_next(d, NULL); !rc && vif; vif = next) {
		next = vif_next(d, vif);
		vif_decide(d, d->policy, vif, false, &p);
		if (vif->state == VIF_CONNECTED && !vif->reason[0] &&
		    is_same_place(&vif->placement, &p) &&
		    carrier_is_same(vif, vs_wanted_network(&d->networks, p.vif.network))) {
			memcpy(p.vif.name, vif->placement.vif.name, sizeof(p.vif.name));
			vif->placement = p;
		} else if (vif->is_ready && !vif->is_dead && vif->link[0]) {
			rc = vif_place_planned(d, vif, is_planned);
		} else {
			rc = vif_update(d, vif->domid, vif->devid);
		}
	}
	return rc ? rc : vif_tell_all(d);
}

/* What happens to the links of others is someone's will. */
static bool waits_for(const struct vif *vif, const char *link)
{
	return vif->is_ready && !vif->link[0] && vif_may_have_link(vif, link);
}

int vif_check_domains(struct vifrostd *d)
{
	struct vif *vif, *next;
	bool introduced;
	int rc = 0;

	for (vif = vif_next(d, NULL); !rc && vif; vif = next) {
		next = vif_next(d, vif);
		rc = hv_store_introduced(d->store, vif->domid, &introduced);
		if (rc)
			break;
		if (introduced == !vif->is_dead || (!introduced && !vif->was_introduced))
			continue;
		vif->was_introduced |= introduced;
		vif->is_dead = !introduced;
		rc = vif_update(d, vif->domid, vif->devid);
	}
	return rc == -ECONNRESET ? rc : 0;
}

int vif_check_name(struct vifrostd *d, const char *token)
{
	struct vif *vif = vif_find_name(d, token);
	char path[PATH_LEN], name[sizeof(vif->who.guest)];
	int rc;

	if (!vif || !vif->is_ready)
		return 0;
	name_path(vif->domid, path);
	rc = vif_read_text(d, path, name, sizeof(name));
	if (rc || !strcmp(name, vif->who.guest))
		return rc;
	return vif_update(d, vif->domid, vif->devid);
}

int vif_watch_names(struct vifrostd *d)
{
	struct vif *vif = NULL;
	int rc = 0;

	while (!rc && (vif = vif_next(d, vif)))
		rc = watch_name(d, vif);
	return rc;
}

/* It could not be called as its configuration says, because @link was: as a guest that migrates to the host
 * it is on. */
static bool lacks_name(const struct vif *vif, const char *link)
{
	return vif->is_ready && vif->state == VIF_ERROR && !vif->link[0] &&
	       !strcmp(vif->vifname, link);
}

/* Those that waited for vifrost-netback to let go of them: of a TAP's new name nothing tells but that one. */
static void place_left(struct vifrostd *d)
{
	struct vif *vif = NULL;

	while (d->store && (vif = vif_next(d, vif)))
		if (vif->wanted == VIF_DATAPATH_PMD && vif->is_ready && vif->state == VIF_WAITING &&
		    vif_place(d, vif))
			return;
}

void vif_on_link(void *arg, const struct vs_link *link, bool is_gone)
{
	struct vifrostd *d = arg;
	struct vif *vif = NULL;
	int rc = 0;

	/* Another may have its name by now: Open vSwitch's bridge that of Linux's. */
	if (link && is_gone)
		clear_link(d, link->name);
	clear_gone(d);
	place_left(d);
	if (link)
		vif = find_by(d, link->name, is_gone ? lacks_name : waits_for);
	if (!d->store || (link && !vif))
		return;
	if (vif)
		rc = vif_update(d, vif->domid, vif->devid);
	else
		rc = vif_update_all(d);
	if (rc)
		store_lost(d, rc);
	else
		store_drain(d);
}

void vif_on_netback(struct vifrostd *d)
{
	struct vif *vif, *next;
	int rc = 0;

	for (vif = vif_next(d, NULL); d->store && !rc && vif; vif = next) {
		next = vif_next(d, vif);
		if (vif->is_ready && vif->state == VIF_ERROR &&
		    (vif->wanted == VIF_DATAPATH_VHOST || vif->wanted == VIF_DATAPATH_DPDK))
			rc = vif_update(d, vif->domid, vif->devid);
	}
	if (rc)
		store_lost(d, rc);
	else
		store_drain(d);
}

void vif_ask_store(struct vifrostd *d, const struct vif *vif, char *reason, size_t size)
{
	char path[PATH_LEN];
	uint32_t state;

	if (!d->store || vif->actual != VIF_DATAPATH_KERNEL || vif->state != VIF_CONNECTED ||
	    reason[0])
		return;
	snprintf(path, sizeof(path), "error/backend/vif/%u/%u/error", vif->domid, vif->devid);
	if (vif_read_text(d, path, reason, size) || reason[0])
		return;
	snprintf(path, sizeof(path), "backend/vif/%u/%u/state", vif->domid, vif->devid);
	if (!hv_store_read_u32(d->store, 0, path, UINT32_MAX, &state) &&
	    state == XenbusStateInitWait)
		snprintf(reason, size,
			 "the guest has not connected: is xen-netfront loaded in it?");
}

int vif_wanted(struct vifrostd *d, const struct policy *policy, bool placed_only,
	       struct vs_wanted *wanted)
{
	struct placement p;
	struct vs_vif *added;

	for (struct vif *vif = vif_next(d, NULL); vif; vif = vif_next(d, vif)) {
		if (!vif->is_ready || (placed_only && vif->state != VIF_CONNECTED))
			continue;
		vif_decide(d, policy, vif, false, &p);
		added = vs_wanted_add_vif(wanted);
		if (!added)
			return -ENOMEM;
		*added = p.vif;
		memcpy(added->name, vif->link[0] ? vif->link : vif->name, sizeof(added->name));
		added->is_given = !strcmp(vif->datapath_told, vif_datapath_name(VIF_DATAPATH_PMD));
	}
	return 0;
}
