/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guards in the kernel. To planners each is a document of its own, "netdev vifrost-<link>"; in the kernel
 * all share the table "netdev vifrost", where a guard is one or two base chains with a few rules and some
 * elements of sets. So a guard takes ten messages and a thousand of them are read in one dump.
 */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <libmnl/libmnl.h>

#include "vswitch/guard.h"

static const char *table(void)
{
	return strchr(GUARD_TABLE, ' ') + 1;
}

const char *nft_guard_link(const char *name)
{
	size_t len = strlen(GUARD_TABLE);

	return !strncmp(name, GUARD_TABLE "-", len + 1) ? name + len + 1 : NULL;
}

/* ---- From the table to documents ---- */

static json_t *doc_of(json_t *docs, const char *link)
{
	char name[VS_TEXT_LEN];
	json_t *doc;

	guard_name(link, name);
	doc = json_object_get(docs, name);
	if (doc)
		return doc;
	doc = json_pack("{s[] s[]}", "to", "own");
	return json_object_set_new(docs, name, doc) ? NULL : doc;
}

/* A base chain of a vif's. Return: false: one of all guards'. */
static bool split_chain(json_t *docs, json_t *chain)
{
	const char *name = json_string_value(json_object_get(chain, "name"));
	bool is_from = !strncmp(name, GUARD_FROM, strlen(GUARD_FROM));
	json_t *rules = json_object_get(chain, "rules"), *doc, *want;
	const char *policy = json_string_value(json_object_get(chain, "policy"));

	if (!is_from && strncmp(name, GUARD_TO, strlen(GUARD_TO)) != 0)
		return false;
	name += is_from ? strlen(GUARD_FROM) : strlen(GUARD_TO);
	doc = doc_of(docs, name);
	/* Of another device, priority or hook than ours are: as if somebody else had put a rule there. */
	want = json_pack("{ss*}", "policy", policy);
	json_object_set_new(want, "chain", guard_chain(name, want, is_from));
	json_object_set_new(json_object_get(want, "chain"), "rules", json_incref(rules));
	if (!json_equal(json_object_get(want, "chain"), chain))
		json_array_append_new(rules, json_string("?"));
	json_decref(want);
	if (is_from)
		json_object_set_new(doc, "from",
				    json_pack("{ss* sO}", "policy", policy, "rules", rules));
	else
		json_object_set(doc, "to", rules);
	return true;
}

/* "vif1.0 . 10.0.0.1" to the vif; what is none of ours stays, and makes the shared part differ. */
static void split_elements(json_t *docs, json_t *set)
{
	json_t *elements = json_object_get(set, "elements");

	for (size_t i = json_array_size(elements); i-- > 0;) {
		const char *text = json_string_value(json_array_get(elements, i));
		const char *dot = strstr(text, " . ");
		const char *own = dot ? dot + 3 : json_string_value(json_object_get(set, "name"));
		char link[VS_TEXT_LEN];
		json_t *doc;

		if (!strcmp(text, "?"))
			continue;
		snprintf(link, sizeof(link), "%.*s", (int)(dot ? dot - text : 64), text);
		doc = doc_of(docs, link);
		if (doc)
			json_array_append_new(json_object_get(doc, "own"), json_string(own));
		json_array_remove(elements, i);
	}
}

int nft_guard_split(json_t *docs)
{
	json_t *shared = json_object_get(docs, GUARD_TABLE), *chains, *set, *doc;
	const char *name;
	size_t i;
	int rc = 0;

	if (!shared)
		return 0;
	chains = json_object_get(shared, "chains");
	for (i = json_array_size(chains); i-- > 0;)
		if (split_chain(docs, json_array_get(chains, i)))
			json_array_remove(chains, i);
	json_array_foreach (json_object_get(shared, "sets"), i, set)
		split_elements(docs, set);
	json_object_foreach (docs, name, doc)
		if (!rc && nft_guard_link(name))
			rc = nft_sort(json_object_get(doc, "own"));
	return rc;
}

/* ---- Whether they are still there ---- */

/*
 * With its device a base chain goes too, on kernels before 6.17, and no generation tells of it: what is
 * remembered of guards holds only as long as their chains are there.
 */
struct chains {
	const char *name; /* NULL: all are counted */
	size_t nr;
};

static int on_chain(const struct nlmsghdr *nlh, void *data)
{
	struct chains *c = data;
	const char *in = "", *name = "";
	const struct nlattr *attr;
	bool has_hook = false;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE)
			in = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == NFTA_CHAIN_HOOK)
			has_hook = true;
	}
	c->nr += has_hook && !strcmp(in, table()) && (!c->name || !strcmp(c->name, name));
	return 0;
}

static void fill_chain_name(struct nlmsghdr *nlh, const void *name)
{
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, table());
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
}

int nft_guard_is_there(struct nft *n, const char *link, bool *is_there)
{
	char name[VS_TEXT_LEN];
	struct chains c = { .name = name };
	int rc;

	snprintf(name, sizeof(name), "%s%s", GUARD_FROM, link);
	rc = nft_ask(n, NFT_MSG_GETCHAIN, NFPROTO_NETDEV, 0, fill_chain_name, name, on_chain, &c);
	*is_there = c.nr > 0;
	return rc == -ENOENT ? 0 : rc;
}

int nft_guard_all_there(struct nft *n, const json_t *docs, bool *are_there)
{
	struct chains c = { 0 };
	size_t nr = 0;
	const char *name;
	json_t *doc;
	int rc;

	json_object_foreach ((json_t *)(uintptr_t)docs, name, doc)
		if (nft_guard_link(name))
			nr += (json_object_get(doc, "from") != NULL) +
			      (json_array_size(json_object_get(doc, "to")) != 0);
	*are_there = true;
	if (!nr)
		return 0;
	rc = nft_ask(n, NFT_MSG_GETCHAIN, NFPROTO_NETDEV, NLM_F_DUMP, NULL, NULL, on_chain, &c);
	*are_there = rc == -EINTR || c.nr == nr;
	return rc == -EINTR ? 0 : rc;
}

/* ---- From documents to messages ---- */

struct guard_batch {
	struct nft_batch *batch;
	const json_t *shared;
	char *why;
};

static int put_rule(struct guard_batch *g, const char *chain, const char *text, bool is_ingress)
{
	struct nft_scope scope = { .family = NFPROTO_NETDEV,
				   .is_ingress = is_ingress,
				   .chains = json_object_get(g->shared, "chains"),
				   .set_id = &g->batch->set_id };
	struct nft_words words = { .chain = chain, .text = text, .whole = text, .index = -1 };
	struct nft_build b = { .scope = &scope, .why = g->why };
	int rc = nft_rule_compile(&b, text);

	g->batch->what = "rule";
	g->batch->text = text;
	for (size_t i = 0; !rc && i < b.nr_sets; i++) {
		nft_put_set(g->batch, NFPROTO_NETDEV, table(), &b.sets[i]);
		nft_put_elems(g->batch, NFPROTO_NETDEV, table(), &b.sets[i], false);
	}
	if (!rc)
		nft_put_rule(g->batch, NFPROTO_NETDEV, table(), b.rule, &words);
	nft_build_fini(&b);
	return rc;
}

static int put_chain(struct guard_batch *g, const char *link, const json_t *from,
		     const json_t *rules)
{
	json_t *chain = guard_chain(link, from, from != NULL);
	const char *name = json_string_value(json_object_get(chain, "name"));
	int rc = name ? 0 : -ENOMEM;
	size_t i;
	json_t *rule;

	g->batch->what = "guard of";
	g->batch->text = link;
	if (!rc)
		nft_put_chain(g->batch, NFPROTO_NETDEV, table(), chain);
	json_array_foreach (rules, i, rule)
		if (!rc)
			rc = put_rule(g, name, json_string_value(rule), from != NULL);
	json_decref(chain);
	return rc;
}

static void del_chains(struct guard_batch *g, const char *link, const json_t *doc)
{
	char name[VS_TEXT_LEN];

	g->batch->what = "guard of";
	g->batch->text = link;
	snprintf(name, sizeof(name), "%s%s", GUARD_FROM, link);
	if (json_object_get(doc, "from"))
		nft_del_chain(g->batch, NFPROTO_NETDEV, table(), name);
	snprintf(name, sizeof(name), "%s%s", GUARD_TO, link);
	if (json_array_size(json_object_get(doc, "to")))
		nft_del_chain(g->batch, NFPROTO_NETDEV, table(), name);
}

static bool has(const json_t *own, const char *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach (own, i, one)
		if (!strcmp(json_string_value(one), text))
			return true;
	return false;
}

static const json_t *set_json(const json_t *shared, const char *name)
{
	const json_t *set;
	size_t i;

	json_array_foreach (json_object_get(shared, "sets"), i, set)
		if (!strcmp(json_string_value(json_object_get(set, "name")), name))
			return set;
	return NULL;
}

/* One element of the vif's, into its set or out of it. @own "": of the link alone. */
static int put_in_set(struct guard_batch *g, const char *link, const char *name, const char *own,
		      bool is_delete)
{
	const json_t *json = set_json(g->shared, name);
	struct nft_set set = { 0 };
	char text[VS_TEXT_LEN];
	int rc = json ? nft_set_from_json(json, &set, g->why) : -EINVAL;

	snprintf(text, sizeof(text), own[0] ? "%s . %s" : "%s", link, own);
	if (!rc)
		rc = nft_set_add(&set, text, g->why);
	g->batch->what = "address of";
	g->batch->text = link;
	if (!rc)
		nft_put_elems(g->batch, NFPROTO_NETDEV, table(), &set, is_delete);
	nft_set_fini(&set);
	return rc;
}

static int put_element(struct guard_batch *g, const char *link, const char *own, bool is_delete)
{
	const char *name = guard_set_of(own);

	return put_in_set(g, link, name, strcmp(own, name) ? own : "", is_delete);
}

int nft_guard_uncount(const char *link, const char *const *names, size_t nr, const json_t *shared,
		      struct nft_batch *batch, char *why)
{
	struct guard_batch g = { .batch = batch, .shared = shared, .why = why };
	int rc = 0;

	for (size_t i = 0; !rc && i < nr; i++)
		rc = put_in_set(&g, link, names[i], "", true);
	return rc;
}

/* Those of @own that are not in @but. */
static int put_elements(struct guard_batch *g, const char *link, const json_t *own,
			const json_t *but, bool is_delete)
{
	const json_t *one;
	size_t i;
	int rc = 0;

	json_array_foreach (own, i, one)
		if (!rc && !has(but, json_string_value(one)))
			rc = put_element(g, link, json_string_value(one), is_delete);
	return rc;
}

static int put_guard(struct guard_batch *g, const char *link, const json_t *doc, const json_t *have)
{
	const json_t *from = json_object_get(doc, "from"), *to = json_object_get(doc, "to");
	int rc = 0;

	if (from)
		rc = put_chain(g, link, from, json_object_get(from, "rules"));
	if (!rc && json_array_size(to))
		rc = put_chain(g, link, NULL, to);
	if (!rc)
		rc = put_elements(g, link, json_object_get(doc, "own"),
				  json_object_get(have, "own"), false);
	return rc;
}

/*
 * The table anew, with all guards as they are known: somebody changed what they share, or this program is
 * another version than the one that made it. A guard that is damaged lets nothing through until it is set.
 */
static int rebuild(struct guard_batch *g, const char *name, const json_t *docs)
{
	bool is_there = json_object_get(docs, GUARD_TABLE) != NULL;
	const char *other;
	json_t *doc;
	int rc;

	g->batch->what = "table";
	g->batch->text = table();
	if (is_there)
		nft_del_table(g->batch, NFPROTO_NETDEV, table());
	rc = nft_doc_build(GUARD_TABLE, g->shared, g->batch, g->why);
	json_object_foreach ((json_t *)(uintptr_t)docs, other, doc) {
		const char *link = nft_guard_link(other);
		json_t *closed;

		if (rc || !link || !strcmp(other, name))
			continue;
		closed = json_pack("{s{ss s[]}}", "from", "policy", "drop", "rules");
		if (json_object_get(doc, "from"))
			rc = put_guard(g, link, nft_guard_check(doc) ? doc : closed, NULL);
		json_decref(closed);
	}
	return rc;
}

bool nft_guard_check(const json_t *doc)
{
	const json_t *from = json_object_get(doc, "from"), *rule;
	char why[VS_TEXT_LEN];
	bool ok = from && json_object_get(from, "policy");
	size_t i;

	json_array_foreach (json_object_get(from, "rules"), i, rule)
		ok = ok && !nft_check_rule("netdev", json_string_value(rule), why);
	json_array_foreach (json_object_get(doc, "to"), i, rule)
		ok = ok && !nft_check_rule("netdev", json_string_value(rule), why);
	return ok;
}

bool nft_guard_is_last(const json_t *docs, const char *name)
{
	const char *other;
	json_t *doc;

	json_object_foreach ((json_t *)(uintptr_t)docs, other, doc)
		if (nft_guard_link(other) && strcmp(other, name) != 0)
			return false;
	return true;
}

int nft_guard_build(const char *name, const json_t *docs, const json_t *doc, const json_t *shared,
		    struct nft_batch *batch, char *why)
{
	const json_t *have = json_object_get(docs, name);
	struct guard_batch g = { .batch = batch, .shared = shared, .why = why };
	const char *link = nft_guard_link(name);
	int rc = 0;

	if (doc && !json_object_get(doc, "own")) {
		snprintf(why, VS_TEXT_LEN, "'%.60s' is a guard's name: its document has \"own\"",
			 name);
		return -EINVAL;
	}
	if (!doc && nft_guard_is_last(docs, name)) {
		batch->what = "table";
		batch->text = table();
		nft_del_table(batch, NFPROTO_NETDEV, table());
		return 0;
	}
	if (!json_equal(json_object_get(docs, GUARD_TABLE), shared)) {
		rc = rebuild(&g, name, docs);
		return rc || !doc ? rc : put_guard(&g, link, doc, NULL);
	}
	if (have)
		del_chains(&g, link, have);
	rc = put_elements(&g, link, json_object_get(have, "own"), json_object_get(doc, "own"),
			  true);
	return rc || !doc ? rc : put_guard(&g, link, doc, have);
}
