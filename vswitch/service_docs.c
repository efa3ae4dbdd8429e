/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is alike in the documents of all daemons that work for networks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vswitch/service.h"

/* All that such a document needs to know of the system is where the run directory is. */
int service_open(const char *rundir, void **ctx, char *why)
{
	(void)why;
	*ctx = (void *)(uintptr_t)rundir;
	return 0;
}

void service_close(void *ctx)
{
	(void)ctx;
}

int service_get(const struct service_kind *k, void *ctx, const char *network, json_t **doc)
{
	struct service s;
	int rc = service_init(&s, ctx, k->name, network);

	*doc = rc ? NULL : service_read_doc(&s);
	/* Dead, or its files were changed: as if it was not there, so that it is made again. */
	if (*doc && !k->is_as_told(&s, network, *doc)) {
		json_decref(*doc);
		*doc = NULL;
	}
	return rc;
}

struct observation {
	const struct service_kind *k;
	void *ctx;
	struct vs_observed *o;
};

static int observe_one(void *arg, const char *network)
{
	struct observation *ob = arg;
	json_t *doc;
	int rc = service_get(ob->k, ob->ctx, network, &doc);

	if (!rc && doc)
		rc = vs_observed_set_doc(ob->o, ob->k->doc, network, doc);
	json_decref(doc);
	return rc;
}

int service_observe(const struct service_kind *k, void *ctx, struct vs_observed *o)
{
	struct observation ob = { .k = k, .ctx = ctx, .o = o };

	return service_each(ctx, k->name, observe_one, &ob);
}

int service_apply(const struct service_kind *k, void *ctx, const char *network, const json_t *doc,
		  char *why)
{
	struct service s;
	int rc = service_init(&s, ctx, k->name, network);

	if (rc)
		return rc;
	if (doc)
		return k->set(&s, network, doc, why);
	rc = service_stop(&s, k->name, k->stop_ms);
	if (rc)
		snprintf(why, VS_TEXT_LEN, "cannot end %s: %s", k->name, strerror(-rc));
	else
		service_remove(&s);
	return rc;
}
