/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mirrors: copies of what some guests' ports send and receive, to one guest's port. Guests come and go, so
 * whom a mirror selects stands in its row as names and tags (the document's words), and which ports that
 * means now is found again after each port.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ovsdb-idl.h>
#include <vswitch-idl.h>

#define MIRROR_KEY "vifrost-mirror" /* in external_ids: its element of the document's "mirrors" */

static const char *port_id(const struct ovsrec_port *port, const char *key)
{
	const char *text = port->n_interfaces ? smap_get(&port->interfaces[0]->external_ids, key)
					      : NULL;

	return text ? text : "";
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)) != NULL; at += len)
		if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
	return false;
}

/* @who: a guest's name, or "@tag". */
static bool is_selected(const struct ovsrec_port *port, const json_t *who)
{
	const char *id = port_id(port, "iface-id"), *name;
	json_t *one;
	size_t i;

	json_array_foreach (who, i, one) {
		name = json_string_value(one);
		if (name[0] == '@' ? has_word(port_id(port, "tags"), name + 1)
				   : !strncmp(id, name, strlen(name)) && id[strlen(name)] == '/')
			return true;
	}
	return false;
}

/* What a mirror of the document means on this bridge now. */
struct meaning {
	struct ovsrec_port **selected;
	size_t nr;
	const struct ovsrec_port *output; /* NULL: not there (yet) */
};

static int find_meaning(const struct ovsrec_bridge *on, const json_t *mirror, struct meaning *m)
{
	const char *output = json_string_value(json_object_get(mirror, "output"));

	*m = (struct meaning){ .selected = calloc(on->n_ports + 1, sizeof(*m->selected)) };
	if (!m->selected)
		return -ENOMEM;
	for (size_t i = 0; i < on->n_ports; i++) {
		if (!ovs_is_ours(&on->ports[i]->external_ids))
			continue;
		if (output && !strcmp(port_id(on->ports[i], "iface-id"), output))
			m->output = on->ports[i];
		else if (is_selected(on->ports[i], json_object_get(mirror, "guests")))
			m->selected[m->nr++] = on->ports[i];
	}
	/* Nobody to copy to: nothing is selected. */
	if (!m->output)
		m->nr = 0;
	return 0;
}

static bool has_port(struct ovsrec_port **ports, size_t nr, const struct ovsrec_port *port)
{
	for (size_t i = 0; i < nr; i++)
		if (ports[i] == port)
			return true;
	return false;
}

static bool is_as_meant(const struct ovsrec_mirror *row, const struct meaning *m)
{
	bool same = row->output_port == m->output && row->n_select_src_port == m->nr &&
		    row->n_select_dst_port == m->nr;

	for (size_t i = 0; same && i < m->nr; i++)
		same = has_port(row->select_src_port, m->nr, m->selected[i]) &&
		       has_port(row->select_dst_port, m->nr, m->selected[i]);
	return same;
}

static json_t *mirror_of(const struct ovsrec_mirror *row)
{
	const char *text = smap_get(&row->external_ids, MIRROR_KEY);

	return text ? json_loads(text, 0, NULL) : NULL;
}

json_t *ovs_mirrors_read(const struct ovsrec_bridge *on)
{
	json_t *list = json_array(), *mirror;
	struct meaning m;

	for (size_t i = 0; list && i < on->n_mirrors; i++) {
		mirror = mirror_of(on->mirrors[i]);
		if (mirror && !find_meaning(on, mirror, &m)) {
			if (is_as_meant(on->mirrors[i], &m))
				json_array_append(list, mirror);
			free(m.selected);
		}
		json_decref(mirror);
	}
	return list;
}

static void write_row(const struct ovsrec_mirror *row, const struct ovsrec_bridge *on,
		      const json_t *mirror)
{
	struct smap ids = SMAP_INITIALIZER(&ids);
	char *text = json_dumps(mirror, JSON_COMPACT | JSON_SORT_KEYS);
	struct meaning m;

	if (text && !find_meaning(on, mirror, &m)) {
		smap_add(&ids, OVS_OWNER_KEY, OVS_OWNER);
		smap_add(&ids, MIRROR_KEY, text);
		ovsrec_mirror_set_external_ids(row, &ids);
		ovsrec_mirror_set_name(row, json_string_value(json_object_get(mirror, "name")));
		ovsrec_mirror_set_select_src_port(row, m.selected, m.nr);
		ovsrec_mirror_set_select_dst_port(row, m.selected, m.nr);
		ovsrec_mirror_set_output_port(row, m.output);
		free(m.selected);
	}
	smap_destroy(&ids);
	free(text);
}

int ovs_mirrors_write(struct ovs *ovs, const struct ovsrec_bridge *on, const json_t *mirrors)
{
	size_t nr = 0, i, room = on->n_mirrors + json_array_size(mirrors);
	struct ovsrec_mirror **rows = calloc(room + 1, sizeof(*rows));
	json_t *mirror, *old;

	if (!rows)
		return -ENOMEM;
	/* Those of others stay. */
	for (i = 0; i < on->n_mirrors; i++)
		if (!smap_get(&on->mirrors[i]->external_ids, MIRROR_KEY))
			rows[nr++] = on->mirrors[i];
	json_array_foreach (mirrors, i, mirror) {
		struct ovsrec_mirror *row = NULL;

		for (size_t k = 0; !row && k < on->n_mirrors; k++) {
			old = mirror_of(on->mirrors[k]);
			if (old && json_equal(json_object_get(old, "name"),
					      json_object_get(mirror, "name")))
				row = on->mirrors[k];
			json_decref(old);
		}
		rows[nr] = row ? row : ovsrec_mirror_insert(ovs->txn);
		write_row(rows[nr++], on, mirror);
	}
	ovsrec_bridge_set_mirrors(on, rows, nr);
	free(rows);
	return 0;
}

static int build(struct ovs *ovs, void *arg, char *why)
{
	bool is_ours;
	const struct ovsrec_bridge *on = ovs_bridge(ovs, arg, &is_ours);
	json_t *mirror;

	(void)why;
	for (size_t i = 0; on && i < on->n_mirrors; i++) {
		mirror = mirror_of(on->mirrors[i]);
		if (mirror)
			write_row(on->mirrors[i], on, mirror);
		json_decref(mirror);
	}
	return 0;
}

int ovs_mirrors_refresh(struct ovs *ovs, const char *bridge, char *why)
{
	bool is_ours;
	const struct ovsrec_bridge *on = ovs_bridge(ovs, bridge, &is_ours);
	char name[IFNAMSIZ];

	if (!on || !on->n_mirrors)
		return 0;
	snprintf(name, sizeof(name), "%s", bridge);
	return ovs_commit(ovs, build, name, why);
}
