/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ports that come, change and go, many in one transaction: with many ports ovs-vswitchd needs milliseconds
 * for each transaction, whatever is in it.
 *
 * A port's number is asked for, so that its guard is sent ahead of it; where ovs-vswitchd gives it another
 * one, nothing passes until the guard has followed.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bitmap.h>
#include <ovsdb-idl.h>
#include <vswitch-idl.h>
#include <openvswitch/shash.h>

#include "vswitch/array.h"

#define NUMBER_MAX 60000

/* What is to be done, and to whom of what is there. */
struct put {
	struct ovs_port_change *v;
	size_t nr;
	struct shash at; /* of struct place: all ports by name, until the replica changes */
	struct ovs_guards *sets;
	size_t nr_sets;
};

struct place {
	const struct ovsrec_port *port;
	const struct ovsrec_bridge *on;
};

static void look(struct ovs *ovs, struct put *put)
{
	const struct ovsrec_bridge *row;
	struct place *place;

	shash_clear_free_data(&put->at);
	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl)
		for (size_t i = 0; i < row->n_ports; i++) {
			if (!ovs_is_ours(&row->ports[i]->external_ids))
				continue;
			place = xmalloc(sizeof(*place));
			*place = (struct place){ row->ports[i], row };
			shash_replace(&put->at, row->ports[i]->name, place);
		}
}

static struct place find(const struct put *put, const char *name)
{
	const struct place *place = shash_find_data(&put->at, name);

	return place ? *place : (struct place){ 0 };
}

static int build(struct ovs *ovs, void *arg, char *why)
{
	struct put *put = arg;
	struct place place;
	int rc = 0;

	look(ovs, put);
	for (size_t i = 0; !rc && i < put->nr; i++) {
		place = find(put, put->v[i].name);
		rc = ovs_port_write(ovs, &put->v[i], place.port, place.on, why);
	}
	return rc;
}

/* ---- Numbers ---- */

/* Those that ports of ours on that bridge have. */
static unsigned long *used_numbers(const struct ovsrec_bridge *on)
{
	unsigned long *used = bitmap_allocate(NUMBER_MAX + 1);
	const struct ovsrec_interface *iface;

	bitmap_set1(used, 0);
	for (size_t i = 0; i < on->n_ports; i++) {
		iface = on->ports[i]->n_interfaces ? on->ports[i]->interfaces[0] : NULL;
		if (iface && iface->n_ofport && iface->ofport[0] > 0 &&
		    iface->ofport[0] <= NUMBER_MAX)
			bitmap_set1(used, (size_t)iface->ofport[0]);
		if (iface && iface->n_ofport_request && iface->ofport_request[0] <= NUMBER_MAX)
			bitmap_set1(used, (size_t)iface->ofport_request[0]);
	}
	return used;
}

static const char *bridge_of(const struct ovs_port_change *c)
{
	const char *name = json_string_value(json_object_get(c->doc, "bridge"));

	return name ? name : "";
}

/* Of the ports that are to be on @on; each has one or gets one. */
static void number_ports(const struct put *put, const struct ovsrec_bridge *on)
{
	unsigned long *used = NULL;
	struct ovs_port_change *c;
	struct place place;
	size_t free_one;

	for (size_t i = 0; i < put->nr; i++) {
		c = &put->v[i];
		if (strcmp(bridge_of(c), on->name) != 0)
			continue;
		place = find(put, c->name);
		c->number = place.on == on ? ovs_port_number(place.port) : 0;
		if (c->number)
			continue;
		used = used ? used : used_numbers(on);
		free_one = bitmap_scan(used, 0, 1, NUMBER_MAX + 1);
		if (free_one > NUMBER_MAX)
			continue;
		bitmap_set1(used, free_one);
		c->number = (unsigned int)free_one;
	}
	bitmap_free(used);
}

/* ---- Guards ---- */

static struct ovs_guards *set_of(struct put *put, const char *bridge)
{
	struct ovs_guards *set;

	for (size_t i = 0; i < put->nr_sets; i++)
		if (!strcmp(put->sets[i].bridge, bridge))
			return &put->sets[i];
	set = array_add(&put->sets, &put->nr_sets, sizeof(*set));
	if (set)
		snprintf(set->bridge, sizeof(set->bridge), "%s", bridge);
	return set;
}

static int add_guard(struct put *put, const char *bridge, unsigned int port, const json_t *guard)
{
	struct ovs_guards *set = set_of(put, bridge);
	struct ovs_guard *g = set ? array_add(&set->v, &set->nr, sizeof(*g)) : NULL;

	if (!g)
		return -ENOMEM;
	*g = (struct ovs_guard){ port, guard };
	return 0;
}

static void free_sets(struct put *put)
{
	for (size_t i = 0; i < put->nr_sets; i++)
		free(put->sets[i].v);
	free(put->sets);
	put->sets = NULL;
	put->nr_sets = 0;
}

static int begin_sets(struct ovs *ovs, struct put *put, char *why)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < put->nr_sets; i++)
		rc = ovs_guards_begin(ovs, &put->sets[i], why);
	return rc;
}

/* All of them, whatever fails. */
static int end_sets(struct ovs *ovs, struct put *put, char *why)
{
	char reason[VS_TEXT_LEN] = "";
	int rc = 0, next;

	for (size_t i = 0; i < put->nr_sets; i++) {
		next = ovs_guards_end(ovs, &put->sets[i], rc ? reason : why);
		rc = rc ? rc : next;
	}
	free_sets(put);
	return rc;
}

static int do_sets(struct ovs *ovs, struct put *put, char *why)
{
	char reason[VS_TEXT_LEN];
	int rc = begin_sets(ovs, put, why), next = end_sets(ovs, put, rc ? reason : why);

	return rc ? rc : next;
}

/* ---- Before ---- */

static int note_place(struct ovs *ovs, const struct put *put, struct ovs_port_change *c, char *why)
{
	const char *bridge = bridge_of(c);
	struct place place = find(put, c->name);
	bool is_ours;

	if (c->doc && !ovs_bridge(ovs, bridge, &is_ours))
		return ovs_fail(-ENONET, why, "Open vSwitch has no bridge %s", bridge);
	c->is_new = c->doc && (!place.port || strcmp(place.on->name, bridge) != 0);
	if (!place.port || !strcmp(place.on->name, bridge))
		return 0;
	snprintf(c->old_bridge, sizeof(c->old_bridge), "%s", place.on->name);
	if (!smap_get(&place.port->external_ids, OVS_GUARD_KEY))
		return 0;
	c->old_number = ovs_port_number(place.port);
	/* One that could not be used has none, and its guard came ahead of it. */
	if (!c->old_number && place.port->n_interfaces &&
	    place.port->interfaces[0]->n_ofport_request)
		c->old_number = (unsigned int)place.port->interfaces[0]->ofport_request[0];
	return 0;
}

static int prepare(struct ovs *ovs, struct put *put, char *why)
{
	const struct ovsrec_bridge *row;
	const json_t *guard;
	int rc = 0;

	look(ovs, put);
	for (size_t i = 0; !rc && i < put->nr; i++)
		rc = note_place(ovs, put, &put->v[i], why);
	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl)
		number_ports(put, row);
	for (size_t i = 0; !rc && i < put->nr; i++) {
		guard = json_object_get(put->v[i].doc, "guard");
		if (guard)
			rc = add_guard(put, bridge_of(&put->v[i]), put->v[i].number, guard);
	}
	return rc;
}

/* ---- After ---- */

/* ovs-vswitchd has done what it could: whether that is what was asked for. */
static int check(const struct put *put, const struct ovs_port_change *c, char *why)
{
	struct place place = find(put, c->name);
	const struct ovsrec_interface *iface = place.port && place.port->n_interfaces
						       ? place.port->interfaces[0]
						       : NULL;

	if (!iface)
		return ovs_fail(-EAGAIN, why, "someone else has removed port %s", c->name);
	if (ovs_port_number(place.port) && !iface->error)
		return 0;
	return ovs_fail(-EIO, why, "ovs-vswitchd cannot use %s: %.90s", c->name,
			iface->error ? iface->error : "no such link");
}

/* Guards follow the ports that got other numbers, and go where a port has gone. */
static int move_guards(struct ovs *ovs, struct put *put, char *why)
{
	const struct ovs_port_change *c;
	unsigned int number;
	json_t *guard;
	int rc = 0;

	for (size_t i = 0; !rc && i < put->nr; i++) {
		c = &put->v[i];
		guard = json_object_get(c->doc, "guard");
		number = guard ? ovs_port_number(find(put, c->name).port) : 0;
		if (c->old_number)
			rc = add_guard(put, c->old_bridge, c->old_number, NULL);
		if (rc || !guard || number == c->number)
			continue;
		rc = add_guard(put, bridge_of(c), c->number, NULL);
		if (!rc)
			rc = add_guard(put, bridge_of(c), number, guard);
	}
	return rc ? rc : do_sets(ovs, put, why);
}

static void learn(struct ovs *ovs, const struct put *put)
{
	const struct ovs_port_change *c;
	uint8_t mac[MAC_LEN];
	const char *text;

	for (size_t i = 0; i < put->nr; i++) {
		c = &put->v[i];
		text = json_string_value(
			json_object_get(json_object_get(c->doc, "ids"), "attached-mac"));
		if (c->is_new && text && !parse_mac(text, mac))
			ovs_learn(ovs, bridge_of(c), ovs_port_number(find(put, c->name).port), mac);
	}
}

static int change(struct ovs *ovs, struct ovs_port_change *v, size_t nr, char *why);

/* Those that cannot be used, or whose guard is not there, are not left in the bridge. */
static int take_back(struct ovs *ovs, struct put *put, bool all)
{
	struct ovs_port_change *v = calloc(put->nr, sizeof(*v));
	char reason[VS_TEXT_LEN];
	size_t nr = 0;
	int rc = -ENOMEM;

	for (size_t i = 0; v && i < put->nr; i++)
		if (put->v[i].doc && (all || check(put, &put->v[i], reason) == -EIO))
			v[nr++].name = put->v[i].name;
	if (v)
		rc = nr ? change(ovs, v, nr, reason) : 0;
	free(v);
	return rc;
}

static int refresh_mirrors(struct ovs *ovs, const struct put *put, char *why)
{
	const char *done = "";
	int rc = 0;

	for (size_t i = 0; !rc && i < put->nr; i++) {
		const char *bridge = put->v[i].doc ? bridge_of(&put->v[i]) : put->v[i].old_bridge;

		if (strcmp(bridge, done) != 0)
			rc = ovs_mirrors_refresh(ovs, bridge, why);
		done = bridge;
	}
	return rc;
}

/* What is to go may have gone: then Open vSwitch is told nothing. */
static bool has_work(const struct put *put)
{
	for (size_t i = 0; i < put->nr; i++)
		if (put->v[i].doc || put->v[i].old_bridge[0])
			return true;
	return false;
}

static int commit(struct ovs *ovs, struct put *put, char *why)
{
	char reason[VS_TEXT_LEN];
	int rc = prepare(ovs, put, why), next;

	if (!rc && !has_work(put))
		return 0;
	if (!rc)
		rc = begin_sets(ovs, put, why);
	if (!rc)
		rc = ovs_commit(ovs, build, put, why);
	next = end_sets(ovs, put, rc ? reason : why);
	if (rc)
		return rc;
	look(ovs, put);
	if (next) {
		take_back(ovs, put, true);
		return next;
	}
	for (size_t i = 0; !rc && i < put->nr; i++)
		rc = put->v[i].doc ? check(put, &put->v[i], why) : 0;
	if (rc)
		take_back(ovs, put, false);
	if (!rc)
		rc = move_guards(ovs, put, why);
	if (!rc)
		learn(ovs, put);
	return rc;
}

static int change(struct ovs *ovs, struct ovs_port_change *v, size_t nr, char *why)
{
	struct put put = { .v = v, .nr = nr, .at = SHASH_INITIALIZER(&put.at) };
	int rc = commit(ovs, &put, why);

	shash_destroy_free_data(&put.at);
	free_sets(&put);
	return rc ? rc : refresh_mirrors(ovs, &put, why);
}

/* A device reads its arguments once: a port that is to have others goes first, and the device with it. */
static int drop_devices(struct ovs *ovs, const struct ovs_port_change *v, size_t nr, char *why)
{
	struct ovs_port_change *gone = calloc(nr, sizeof(*gone));
	const struct ovsrec_bridge *on;
	const struct ovsrec_port *port;
	const char *want, *has;
	size_t nr_gone = 0;
	int rc = 0;

	for (size_t i = 0; gone && i < nr; i++) {
		want = json_string_value(json_object_get(v[i].doc, "devargs"));
		port = want ? ovs_port(ovs, v[i].name, &on) : NULL;
		has = port && port->n_interfaces
			      ? smap_get(&port->interfaces[0]->options, "dpdk-devargs")
			      : NULL;
		if (has && strcmp(has, want) != 0)
			gone[nr_gone++].name = v[i].name;
	}
	if (!gone)
		rc = -ENOMEM;
	else if (nr_gone)
		rc = change(ovs, gone, nr_gone, why);
	free(gone);
	return rc;
}

int ovs_ports_change(struct ovs *ovs, struct ovs_port_change *v, size_t nr, char *why)
{
	bool any = false;
	int rc;

	for (size_t i = 0; i < nr; i++)
		any |= v[i].doc != NULL;
	rc = ovs_ready(ovs, any, why);
	if (rc)
		return rc == -ENOENT && !any ? 0 : rc;
	rc = drop_devices(ovs, v, nr, why);
	return rc ? rc : change(ovs, v, nr, why);
}
