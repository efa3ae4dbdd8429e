/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps to guards as they are to be. */
#include "vswitch/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void plan_stack_guard(struct plan_for *p, const char *link, const struct vs_vif *vif)
{
	struct vs_vif none = { .anti_spoof = VS_SPOOF_ANY };
	char name[VS_TEXT_LEN];

	snprintf(none.name, sizeof(none.name), "%s", link);
	guard_name(link, name);
	plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name, guard_stack_doc(vif ? vif : &none));
}

void guard_name(const char *link, char name[VS_TEXT_LEN])
{
	vs_doc_of_vif(VS_DOC_NFT, link, name);
}

void plan_guard(struct plan_for *p, const struct vs_vif *vif)
{
	char name[VS_TEXT_LEN];
	bool is_needed;
	json_t *doc = guard_doc(vif, &is_needed);

	guard_name(vif->name, name);
	if (is_needed)
		plan_set_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name, doc);
	else
		plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name);
}

void plan_unguard(struct plan_for *p, const char *link)
{
	char name[VS_TEXT_LEN];

	guard_name(link, name);
	plan_del_doc(p, VS_DISRUPTION_NONE, VS_DOC_NFT, name);
}

/* The link that a table guards; NULL: it is none of these. */
static const char *guarded_link(const struct vs_doc *d)
{
	char prefix[VS_TEXT_LEN];
	size_t len;

	guard_name("", prefix);
	len = strlen(prefix);
	return d->kind == VS_DOC_NFT && !strncmp(d->name, prefix, len) ? d->name + len : NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_wanted(const char **names, size_t nr, const char *name)
{
	return bsearch(&name, names, nr, sizeof(*names), compare_names) != NULL;
}

int plan_stale_guards(const struct vs_wanted *wanted, struct vs_plan *plan)
{
	const char **names = calloc(wanted->nr_vifs + 1, sizeof(*names));
	struct plan_for p = { .plan = plan, .network = "" };

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->nr_vifs; i++)
		names[i] = wanted->vifs[i].name;
	qsort(names, wanted->nr_vifs, sizeof(*names), compare_names);
	/* From behind: what is taken out moves those behind it. */
	for (size_t i = plan->model.nr_docs; !p.rc && i-- > 0;) {
		const char *name = guarded_link(&plan->model.docs[i]);
		const struct vs_link *link;
		char doc[VS_TEXT_LEN];

		if (!name || is_wanted(names, wanted->nr_vifs, name))
			continue;
		link = plan_link(&p, name);
		if (link && link->is_up && wanted->nr_networks)
			continue;
		memcpy(doc, plan->model.docs[i].name, sizeof(doc));
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_NFT, doc);
	}
	free(names);
	return p.rc;
}
