/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to the Open vSwitch database. libopenvswitch keeps a replica of what matters to us
 * (of ports and interfaces only our own) and writes transactions; ovs-vswitchd has done all of them
 * once cur_cfg is at the next_cfg that the last one set.
 */
#include <config.h>

#include "vswitch/ovsdb_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ovsdb-condition.h>
#include <ovsdb-idl.h>
#include <timeval.h>
#include <vswitch-idl.h>
#include <openvswitch/poll-loop.h>
#include <openvswitch/vlog.h>

#include "vswitch/ovs.h"

#define COMMIT_TRIES 8

static struct ovs *shared; /* of one run directory */

int ovs_fail(int rc, char *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, VS_TEXT_LEN, fmt, args);
	va_end(args);
	return rc;
}

int ovs_open(const char *rundir, struct ovs **ovs_out, char *why)
{
	if (!shared) {
		shared = calloc(1, sizeof(*shared));
		if (!shared)
			return ovs_fail(-ENOMEM, why, "out of memory");
		snprintf(shared->rundir, sizeof(shared->rundir), "%s", rundir);
		/* Leaf code does not log. */
		vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
	}
	if (strcmp(shared->rundir, rundir) != 0)
		return ovs_fail(-EBUSY, why, "Open vSwitch is in use for %.60s", shared->rundir);
	shared->users++;
	*ovs_out = shared;
	return 0;
}

static void disconnect(struct ovs *ovs)
{
	ovs_conn_close_all(ovs);
	ovsdb_idl_destroy(ovs->idl);
	ovs->idl = NULL;
	ovs->is_wide = false;
}

void ovs_close(struct ovs *ovs)
{
	if (--ovs->users)
		return;
	disconnect(ovs);
	ovs_daemons_unwatch(ovs);
	ovs_expect_free(ovs);
	free(ovs);
	shared = NULL;
}

static void replicate(struct ovsdb_idl *idl)
{
	static const struct ovsdb_idl_column *const columns[] = {
		&ovsrec_open_vswitch_col_other_config,
		&ovsrec_open_vswitch_col_bridges,
		&ovsrec_open_vswitch_col_cur_cfg,
		&ovsrec_open_vswitch_col_next_cfg,
		&ovsrec_open_vswitch_col_datapath_types,
		&ovsrec_open_vswitch_col_dpdk_initialized,
		&ovsrec_open_vswitch_col_dpdk_version,
		&ovsrec_bridge_col_name,
		&ovsrec_bridge_col_ports,
		&ovsrec_bridge_col_mirrors,
		&ovsrec_bridge_col_datapath_type,
		&ovsrec_bridge_col_fail_mode,
		&ovsrec_bridge_col_stp_enable,
		&ovsrec_bridge_col_rstp_enable,
		&ovsrec_bridge_col_other_config,
		&ovsrec_bridge_col_external_ids,
		&ovsrec_port_col_name,
		&ovsrec_port_col_interfaces,
		&ovsrec_port_col_tag,
		&ovsrec_port_col_trunks,
		&ovsrec_port_col_vlan_mode,
		&ovsrec_port_col_protected_,
		&ovsrec_port_col_qos,
		&ovsrec_qos_col_type,
		&ovsrec_qos_col_other_config,
		&ovsrec_qos_col_external_ids,
		&ovsrec_port_col_other_config,
		&ovsrec_port_col_external_ids,
		&ovsrec_interface_col_name,
		&ovsrec_interface_col_type,
		&ovsrec_interface_col_options,
		&ovsrec_interface_col_mtu_request,
		&ovsrec_interface_col_ofport,
		&ovsrec_interface_col_ofport_request,
		&ovsrec_interface_col_error,
		&ovsrec_interface_col_external_ids,
		&ovsrec_mirror_col_name,
		&ovsrec_mirror_col_select_src_port,
		&ovsrec_mirror_col_select_dst_port,
		&ovsrec_mirror_col_output_port,
		&ovsrec_mirror_col_external_ids,
	};
	struct smap owner = SMAP_INITIALIZER(&owner);
	struct ovsdb_idl_condition ports, interfaces;

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		ovsdb_idl_add_column(idl, columns[i]);
	ovsdb_idl_condition_init(&ports);
	ovsdb_idl_condition_init(&interfaces);
	smap_add(&owner, OVS_OWNER_KEY, OVS_OWNER);
	ovsrec_port_add_clause_external_ids(&ports, OVSDB_F_INCLUDES, &owner);
	ovsrec_interface_add_clause_external_ids(&interfaces, OVSDB_F_INCLUDES, &owner);
	ovsrec_port_set_condition(idl, &ports);
	ovsrec_interface_set_condition(idl, &interfaces);
	ovsdb_idl_condition_destroy(&ports);
	ovsdb_idl_condition_destroy(&interfaces);
	smap_destroy(&owner);
	/* What is as it was is not written. */
	ovsdb_idl_set_write_changed_only_all(idl, true);
}

static bool is_up_to_date(struct ovs *ovs)
{
	ovsdb_idl_run(ovs->idl);
	return ovsdb_idl_is_connected(ovs->idl) && ovsdb_idl_has_ever_connected(ovs->idl);
}

/* Sleep until something comes or @end has come. Return: false: it has. */
static bool wait_for_news(struct ovs *ovs, struct ovsdb_idl_txn *txn, long long end)
{
	if (time_msec() >= end)
		return false;
	ovsdb_idl_wait(ovs->idl);
	if (txn)
		ovsdb_idl_txn_wait(txn);
	poll_timer_wait_until(end);
	poll_block();
	return true;
}

/* Whose ports are a foreign bridge's no clause can tell: where there is one, all are replicated. */
static int widen(struct ovs *ovs, char *why)
{
	long long end = time_msec() + OVS_CONNECT_MS;
	const struct ovsrec_bridge *row;
	struct ovsdb_idl_condition all;
	bool has_foreign = false;
	unsigned int since;

	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl)
		has_foreign |= !ovs_is_ours(&row->external_ids);
	if (!has_foreign || ovs->is_wide)
		return 0;
	ovsdb_idl_condition_init(&all);
	ovsdb_idl_condition_add_clause_true(&all);
	since = ovsrec_port_set_condition(ovs->idl, &all);
	ovsdb_idl_condition_destroy(&all);
	while (ovsdb_idl_get_condition_seqno(ovs->idl) != since) {
		ovsdb_idl_run(ovs->idl);
		if (ovsdb_idl_get_condition_seqno(ovs->idl) != since &&
		    !wait_for_news(ovs, NULL, end))
			return ovs_fail(-ETIMEDOUT, why, "ovsdb-server does not answer");
	}
	ovs->is_wide = true;
	return 0;
}

static int connect_db(struct ovs *ovs, char *why)
{
	char remote[PATH_MAX + 32];
	long long end = time_msec() + OVS_CONNECT_MS;

	snprintf(remote, sizeof(remote), "unix:%s/db.sock", ovs->dir);
	ovs->idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false, true);
	ovsdb_idl_set_leader_only(ovs->idl, false);
	replicate(ovs->idl);
	while (!is_up_to_date(ovs))
		if (!wait_for_news(ovs, NULL, end)) {
			ovs_daemon_hangs(ovs, true);
			disconnect(ovs);
			return ovs_fail(-ETIMEDOUT, why, "ovsdb-server does not answer at %.70s",
					remote);
		}
	return 0;
}

int ovs_disconnect_and_stop(struct ovs *ovs, char *why)
{
	disconnect(ovs);
	return ovs_daemons_stop(ovs, why);
}

static int change_nothing(struct ovs *ovs, void *arg, char *why)
{
	(void)arg;
	(void)why;
	(void)ovs;
	return 0;
}

static int make_ready(struct ovs *ovs, bool start, char *why)
{
	int rc;

	if (ovs->idl && !ovs->is_fresh && ovs_daemons_run(ovs) && is_up_to_date(ovs) &&
	    ovs_root(ovs))
		return 0;
	/* Also starts again what of ours has ended. */
	rc = ovs_daemons_find(ovs, start, why);
	if (rc)
		return rc;
	if (ovs->idl && !is_up_to_date(ovs))
		disconnect(ovs);
	if (!ovs->idl)
		rc = connect_db(ovs, why);
	if (!rc && !ovs_root(ovs))
		rc = ovs_commit(ovs, change_nothing, NULL, why);
	/* What the database says of a predecessor's work is not true of this one's. */
	if (!rc && ovs->is_fresh)
		rc = ovs_commit(ovs, change_nothing, NULL, why);
	ovs->is_fresh &= rc != 0;
	return rc;
}

int ovs_ready(struct ovs *ovs, bool start, char *why)
{
	int rc = make_ready(ovs, start, why);

	if (!rc)
		rc = widen(ovs, why);
	if (!rc)
		ovs->seqno = ovsdb_idl_get_seqno(ovs->idl);
	return rc;
}

bool vs_ovs_changed(void)
{
	const struct ovsrec_bridge *row;
	bool changed;

	if (!shared || !shared->dir[0])
		return false;
	if (!shared->idl || ovs_daemons_ended(shared) || !is_up_to_date(shared))
		return true;
	changed = ovsdb_idl_get_seqno(shared->idl) != shared->seqno;
	shared->seqno = ovsdb_idl_get_seqno(shared->idl);
	OVSREC_BRIDGE_FOR_EACH (row, shared->idl)
		if (!changed && row->fail_mode && !strcmp(row->fail_mode, "secure") &&
		    smap_get(&row->external_ids, OVS_OWNER_KEY))
			changed = ovs_flows_changed(shared, row->name);
	return changed;
}

const struct ovsrec_open_vswitch *ovs_root(const struct ovs *ovs)
{
	return ovsrec_open_vswitch_first(ovs->idl);
}

/* Of one that was started the database still says what was true of its predecessor. */
static bool dpdk_starts(const struct ovs *ovs)
{
	const struct ovsrec_open_vswitch *root = ovs_root(ovs);

	return root && smap_get_bool(&root->other_config, "dpdk-init", false) &&
	       (ovs->is_fresh || !root->dpdk_initialized);
}

/* Until ovs-vswitchd has done what the database says. */
static int wait_done(struct ovs *ovs, long long end, char *why)
{
	const struct ovsrec_open_vswitch *root;

	if (dpdk_starts(ovs))
		end += OVS_DPDK_MS - OVS_EFFECT_MS;
	for (;;) {
		ovsdb_idl_run(ovs->idl);
		root = ovs_root(ovs);
		if (root && root->cur_cfg >= root->next_cfg)
			return 0;
		if (!ovs_daemons_run(ovs))
			return ovs_fail(-EIO, why, "ovs-vswitchd has ended: see %.70s/*.log",
					ovs->dir);
		/* That it ends is news, too. */
		if (ovs->watched[1] > 0)
			poll_fd_wait(ovs->watched[1], POLLIN);
		if (!wait_for_news(ovs, NULL, end)) {
			ovs_daemon_hangs(ovs, false);
			return ovs_fail(-ETIMEDOUT, why,
					"ovs-vswitchd does not answer: is it running? (%.70s)",
					ovs->dir);
		}
	}
}

/* @error: as the server sent it, an object; its details say more than its name. */
static int refused(const char *error, char *why)
{
	json_t *json = json_loads(error ? error : "", 0, NULL);
	const char *details = json_string_value(json_object_get(json, "details"));

	ovs_fail(-EIO, why, "ovsdb-server refused it: %.100s",
		 details ? details
		 : error ? error
			 : "");
	json_decref(json);
	return -EIO;
}

static int finish(struct ovs *ovs, struct ovsdb_idl_txn *txn, char *why)
{
	long long end = time_msec() + OVS_COMMIT_MS;
	enum ovsdb_idl_txn_status status;

	while ((status = ovsdb_idl_txn_commit(txn)) == TXN_INCOMPLETE) {
		ovsdb_idl_run(ovs->idl);
		if (!wait_for_news(ovs, txn, end)) {
			ovs_daemon_hangs(ovs, true);
			return ovs_fail(-ETIMEDOUT, why, "ovsdb-server does not answer");
		}
	}
	switch (status) {
	case TXN_SUCCESS:
	case TXN_UNCHANGED:
		return 0;
	case TXN_TRY_AGAIN:
		return -EAGAIN;
	default:
		return refused(ovsdb_idl_txn_get_error(txn), why);
	}
}

int ovs_commit(struct ovs *ovs, int (*build)(struct ovs *ovs, void *arg, char *why), void *arg,
	       char *why)
{
	long long end = time_msec() + OVS_EFFECT_MS;
	const struct ovsrec_open_vswitch *root;
	struct ovsdb_idl_txn *txn;
	int rc = -EAGAIN;

	for (int i = 0; rc == -EAGAIN && i < COMMIT_TRIES; i++) {
		if (i && !wait_for_news(ovs, NULL, time_msec() + 20L * i))
			break;
		ovsdb_idl_run(ovs->idl);
		txn = ovsdb_idl_txn_create(ovs->idl);
		root = ovs_root(ovs);
		if (!root)
			ovsrec_open_vswitch_insert(txn);
		ovs->txn = txn;
		rc = build(ovs, arg, why);
		ovs->txn = NULL;
		if (!rc && root)
			ovsdb_idl_txn_increment(txn, &root->header_,
						&ovsrec_open_vswitch_col_next_cfg, ovs->is_fresh);
		if (rc)
			ovsdb_idl_txn_abort(txn);
		else
			rc = finish(ovs, txn, why);
		ovsdb_idl_txn_destroy(txn);
	}
	if (rc == -EAGAIN)
		return ovs_fail(rc, why, "ovsdb-server is gone, or others change the same rows");
	return rc ? rc : wait_done(ovs, end, why);
}

bool ovs_is_ours(const struct smap *external_ids)
{
	const char *owner = smap_get(external_ids, OVS_OWNER_KEY);

	return owner && !strcmp(owner, OVS_OWNER);
}

const struct ovsrec_bridge *ovs_bridge(const struct ovs *ovs, const char *name, bool *is_ours)
{
	const struct ovsrec_bridge *row;

	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl) {
		if (strcmp(row->name, name) != 0)
			continue;
		*is_ours = ovs_is_ours(&row->external_ids);
		return row;
	}
	*is_ours = false;
	return NULL;
}

const struct ovsrec_port *ovs_port(const struct ovs *ovs, const char *name,
				   const struct ovsrec_bridge **on)
{
	const struct ovsrec_bridge *row;

	OVSREC_BRIDGE_FOR_EACH (row, ovs->idl)
		for (size_t i = 0; i < row->n_ports; i++)
			if (!strcmp(row->ports[i]->name, name) &&
			    ovs_is_ours(&row->ports[i]->external_ids)) {
				if (on)
					*on = row;
				return row->ports[i];
			}
	return NULL;
}
