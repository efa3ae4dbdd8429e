/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Documents on the real system: who reads and sets each kind. A kind's owner keeps its connections in a
 * context of its own, opened when it is first asked. One thread.
 */
#ifndef VSWITCH_DOCS_H
#define VSWITCH_DOCS_H

#include "vswitch/vswitch.h"

struct vs_doc_ops {
	/* @rundir: borrowed for the context's life. Return: 0; -errno with @why (VS_TEXT_LEN) saying
	 * cause and cure. */
	int (*open)(const char *rundir, void **ctx, char *why);
	/* Add all of ours with vs_observed_set_doc(). Nothing there at all (no daemon) is 0. */
	int (*observe)(void *ctx, struct vs_observed *o, char *why);
	/* One, a reference of the caller's; *doc NULL: there is none. */
	int (*get)(void *ctx, const char *name, json_t **doc, char *why);
	/* Make it so, @doc NULL: gone. Idempotent: done again after a crash it does no harm. */
	int (*apply)(void *ctx, const char *name, const json_t *doc, char *why);
	/* Several of the kind at once, each name once. NULL: one after the other. */
	int (*apply_many)(void *ctx, const struct vs_op *const *ops, size_t nr, char *why);
	void (*close)(void *ctx);
};

extern const struct vs_doc_ops ovs_bridge_ops, ovs_port_ops; /* ovsdb_bridge.c, ovsdb_port.c */
/* NULL: this build has none. */
extern const struct vs_doc_ops *const vs_doc_ops[VS_DOC_NR];

extern const struct vs_doc_ops vs_vlans_doc_ops;		      /* rtnl_vlans.c */
extern const struct vs_doc_ops vs_rate_doc_ops;			      /* rtnl_rate.c */
extern const struct vs_doc_ops vs_fdb_doc_ops;			      /* rtnl_fdb.c */
extern const struct vs_doc_ops vs_xdp_doc_ops;			      /* rtnl_xdp.c */
extern const struct vs_doc_ops fastnet_network_ops, fastnet_port_ops; /* fastnet_client.c */

struct vs_docs {
	const char *rundir;
	void *ctx[VS_DOC_NR];
	bool is_open[VS_DOC_NR];
};

int vs_docs_observe(struct vs_docs *d, unsigned int kinds, struct vs_observed *o, char *why);
int vs_docs_get(struct vs_docs *d, enum vs_doc_kind kind, const char *name, json_t **doc,
		char *why);
int vs_docs_apply(struct vs_docs *d, const struct vs_op *op, char *why);
/* Of one kind, whose ops have apply_many. */
int vs_docs_apply_many(struct vs_docs *d, const struct vs_op *const *ops, size_t nr, char *why);
/* Connections that a switch tracks itself: conntrack.h. */
int vs_docs_end_flows(struct vs_docs *d, const json_t *which, char *why);
void vs_docs_close(struct vs_docs *d);

#endif
