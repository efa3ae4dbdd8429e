/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Documents take effect together: first all are read and what they need is made, which may fail, then
 * they are written to the file, then switched over to, which may not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/fast/doc.h"
#include "vswitch/fast/fast_priv.h"

/* @docs with @change made to them. NULL: out of memory. */
static json_t *changed(const json_t *docs, const json_t *change)
{
	json_t *all = json_copy((json_t *)(uintptr_t)docs), *doc;
	const char *name;
	int rc = all ? 0 : -1;

	json_object_foreach ((json_t *)(uintptr_t)change, name, doc) {
		if (rc)
			break;
		if (json_is_null(doc))
			json_object_del(all, name);
		else
			rc = json_object_set_new(all, name, json_deep_copy(doc));
	}
	if (!rc)
		return all;
	json_decref(all);
	return NULL;
}

static int check_change(const json_t *change, char *why)
{
	const char *key;
	json_t *docs;

	json_object_foreach ((json_t *)(uintptr_t)change, key, docs) {
		if ((strcmp(key, "networks") != 0 && strcmp(key, "ports") != 0) ||
		    !json_is_object(docs)) {
			snprintf(why, FAST_WHY_MAX,
				 "\"%.40s\": {\"networks\": {NAME: document or null}, \"ports\": "
				 "{VIF: document or null}} is wanted",
				 key);
			return -EINVAL;
		}
	}
	return 0;
}

static int check_networks(const json_t *networks, char *why)
{
	struct fast_network_doc network;
	const char *name;
	json_t *doc;
	int rc = 0;

	json_object_foreach ((json_t *)(uintptr_t)networks, name, doc) {
		rc = fast_network_read(name, doc, &network, why);
		if (rc)
			break;
	}
	return rc;
}

static int check_ports(const json_t *ports, const json_t *networks, char *why)
{
	struct fast_port_doc port;
	const char *name;
	json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)ports, name, doc) {
		int rc = fast_port_read(name, doc, &port, why);

		if (rc)
			return rc;
		if (!json_object_get(networks, port.network)) {
			snprintf(why, FAST_WHY_MAX,
				 "port %.40s: there is no network %s: apply its document with or "
				 "before the port's, and take it away with or after it",
				 name, port.network);
			return -EINVAL;
		}
	}
	return 0;
}

int fast_apply(struct fast *f, const json_t *change, char why[FAST_WHY_MAX])
{
	json_t *networks = NULL, *ports = NULL;
	int rc = check_change(change, why);

	if (rc)
		return rc;
	networks = changed(f->networks, json_object_get(change, "networks"));
	ports = changed(f->ports, json_object_get(change, "ports"));
	if (!networks || !ports) {
		snprintf(why, FAST_WHY_MAX, "out of memory");
		rc = -ENOMEM;
		goto out;
	}
	if (json_equal(networks, f->networks) && json_equal(ports, f->ports))
		goto out;
	rc = check_networks(networks, why);
	if (!rc)
		rc = check_ports(ports, networks, why);
	if (!rc && f->state) {
		rc = fast_keep(f->state, networks, ports);
		if (rc)
			snprintf(why, FAST_WHY_MAX, "%.200s: %s: nothing was changed", f->state,
				 strerror(-rc));
	}
	if (rc)
		goto out;
	json_decref(f->networks);
	json_decref(f->ports);
	f->networks = json_incref(networks);
	f->ports = json_incref(ports);
out:
	json_decref(networks);
	json_decref(ports);
	return rc;
}
