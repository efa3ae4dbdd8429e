/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be seen of the switch: by network and port, counters by cause. */
#include "vswitch/fast/fast_priv.h"

json_t *fast_status(struct fast *f)
{
	json_t *networks = json_object(), *ports = json_object(), *doc;
	const char *name;

	json_object_foreach (f->networks, name, doc)
		json_object_set_new(networks, name, json_object());
	json_object_foreach (f->ports, name, doc)
		json_object_set_new(ports, name, json_object());
	return json_pack("{s:o*, s:o*}", "networks", networks, "ports", ports);
}
