/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a port of DPDK's sends to its guest at most: a link has a token bucket of the kernel's, this a QoS row of
 * type "egress-policer". Rows of that table stay until they are deleted.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ovsdb-idl.h>
#include <vswitch-idl.h>

#define POLICER "egress-policer"

static const struct ovsrec_qos *find(const struct ovsrec_port *port)
{
	const struct ovsrec_qos *qos = port->qos;

	return qos && ovs_is_ours(&qos->external_ids) && !strcmp(qos->type, POLICER) ? qos : NULL;
}

json_t *ovs_qos_read(const struct ovsrec_port *port)
{
	const struct ovsrec_qos *qos = find(port);
	const char *rate = qos ? smap_get(&qos->other_config, "cir") : NULL;
	const char *burst = qos ? smap_get(&qos->other_config, "cbs") : NULL;

	if (!rate || !burst)
		return NULL;
	return json_pack("{sIsI}", "bits-per-s", (json_int_t)strtoll(rate, NULL, 10) * 8, "burst",
			 (json_int_t)strtoll(burst, NULL, 10));
}

void ovs_qos_write(struct ovs *ovs, const struct ovsrec_port *port, const json_t *rate)
{
	struct smap config = SMAP_INITIALIZER(&config), ids = SMAP_INITIALIZER(&ids);
	json_int_t bits = json_integer_value(json_object_get(rate, "bits-per-s"));
	const struct ovsrec_qos *qos = find(port);

	if (!rate) {
		if (!qos)
			return;
		ovsrec_port_set_qos(port, NULL);
		ovsrec_qos_delete(qos);
		return;
	}
	if (!qos) {
		qos = ovsrec_qos_insert(ovs->txn);
		ovsrec_qos_set_type(qos, POLICER);
		smap_add(&ids, OVS_OWNER_KEY, OVS_OWNER);
		ovsrec_qos_set_external_ids(qos, &ids);
		ovsrec_port_set_qos(port, qos);
	}
	smap_add_format(&config, "cir", "%lld", (long long)(bits / 8));
	smap_add_format(&config, "cbs", "%lld",
			(long long)json_integer_value(json_object_get(rate, "burst")));
	ovsrec_qos_set_other_config(qos, &config);
	smap_destroy(&config);
	smap_destroy(&ids);
}
