/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Documents of our tables from the kernel: five dumps, of which only names and userdata are looked at.
 * What has none of our userdata was put there by others and reads "?", so that the document differs
 * from any that is wanted.
 */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <libmnl/libmnl.h>
#include <libnftnl/udata.h>

#include "vswitch/array.h"

#define ATTR_MAX 32

struct seen_rule {
	int index;
	json_t *json;
};

/* A table of ours while it is read. */
struct seen {
	char name[NFT_NAME_LEN / 2]; /* with its family */
	const char *table;	     /* into it */
	uint8_t family, flags;
	json_t *doc, *chains, *sets; /* chains, sets: borrowed from doc */
	const char *chain; /* of the last rule, and its rules: the next is mostly there too */
	json_t *chain_rules;
	struct seen_rule *rules;
	size_t nr_rules;
};

struct dump {
	struct nft *nft;
	struct seen *seen;
	size_t nr;
	struct seen *last;
	bool is_nomem;
};

const uint8_t *nft_udata_find(const uint8_t *data, size_t size, uint8_t type, size_t *len)
{
	for (size_t at = 0; at + 2 <= size; at += 2u + data[at + 1]) {
		if (at + 2 + data[at + 1] > size)
			return NULL;
		if (data[at] != type)
			continue;
		*len = data[at + 1];
		return data + at + 2;
	}
	return NULL;
}

static void attributes(const struct nlmsghdr *nlh, const struct nlattr *tb[ATTR_MAX])
{
	const struct nlattr *attr;

	memset(tb, 0, ATTR_MAX * sizeof(*tb));
	mnl_attr_for_each(attr, nlh,
			  sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) < ATTR_MAX)
		tb[mnl_attr_get_type(attr)] = attr;
}

static void nested(const struct nlattr *nest, const struct nlattr *tb[ATTR_MAX])
{
	const struct nlattr *attr;

	memset(tb, 0, ATTR_MAX * sizeof(*tb));
	if (!nest)
		return;
	mnl_attr_for_each_nested(attr, nest) if (mnl_attr_get_type(attr) < ATTR_MAX)
		tb[mnl_attr_get_type(attr)] = attr;
}

/* NULL: not there, or not ended by a NUL. */
static const char *text_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr)
									 : NULL;
}

static uint32_t u32_of(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) == 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static const uint8_t *udata_of(const struct nlattr *attr, uint8_t type, size_t *len)
{
	return attr ? nft_udata_find(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr),
				     type, len)
		    : NULL;
}

static uint8_t family_of(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);

	return nfg->nfgen_family;
}

/* Tables come in the order of the first dump: the one of the last message, or one behind it. */
static struct seen *find_table(struct dump *d, const struct nlmsghdr *nlh,
			       const struct nlattr *attr)
{
	const char *table = text_of(attr);
	uint8_t family = family_of(nlh);
	size_t at = d->last ? (size_t)(d->last - d->seen) : 0;

	if (!table || strncmp(table, NFT_TABLE_PREFIX, strlen(NFT_TABLE_PREFIX)) != 0)
		return NULL;
	for (size_t i = 0; i < d->nr; i++, at++) {
		struct seen *s = &d->seen[at >= d->nr ? at - d->nr : at];

		if (s->family == family && !strcmp(s->table, table)) {
			d->last = s;
			return s;
		}
	}
	return NULL;
}

static int on_table(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	const struct nlattr *tb[ATTR_MAX];
	const char *table, *family = nft_family_name(family_of(nlh));
	const uint8_t *flags;
	struct seen *s;
	size_t len;

	attributes(nlh, tb);
	table = text_of(tb[NFTA_TABLE_NAME]);
	if (!table || !family || strncmp(table, NFT_TABLE_PREFIX, strlen(NFT_TABLE_PREFIX)) != 0)
		return 0;
	s = array_add(&d->seen, &d->nr, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->family = family_of(nlh);
	flags = udata_of(tb[NFTA_TABLE_USERDATA], NFT_UDATA_TEXT, &len);
	s->flags = flags && len == 1 ? flags[0] : 0;
	snprintf(s->name, sizeof(s->name), "%s %s", family, table);
	s->doc = json_object();
	s->chains = json_array();
	if (json_object_set_new(s->doc, "chains", s->chains) != 0)
		return -ENOMEM;
	if (!(s->flags & NFT_TABLE_SETS))
		return 0;
	s->sets = json_array();
	return json_object_set_new(s->doc, "sets", s->sets) ? -ENOMEM : 0;
}

/* Whether a chain is still as its definition says; others may have changed its policy. */
static bool is_chain_as(const struct nlattr *const tb[ATTR_MAX], uint8_t family, const json_t *def)
{
	const char *hook = json_string_value(json_object_get(def, "hook"));
	const char *policy = json_string_value(json_object_get(def, "policy"));
	const char *device = json_string_value(json_object_get(def, "device"));
	const struct nlattr *h[ATTR_MAX];

	if (!hook || !tb[NFTA_CHAIN_HOOK])
		return !hook && !tb[NFTA_CHAIN_HOOK];
	nested(tb[NFTA_CHAIN_HOOK], h);
	if (!h[NFTA_HOOK_HOOKNUM] || !h[NFTA_HOOK_PRIORITY] ||
	    strcmp(nft_hook_name(family, (int)u32_of(h[NFTA_HOOK_HOOKNUM])), hook) != 0 ||
	    (int32_t)u32_of(h[NFTA_HOOK_PRIORITY]) !=
		    json_integer_value(json_object_get(def, "priority")) ||
	    u32_of(tb[NFTA_CHAIN_POLICY]) !=
		    (policy && !strcmp(policy, "drop") ? NF_DROP : NF_ACCEPT))
		return false;
	return !device || (text_of(h[NFTA_HOOK_DEV]) && !strcmp(text_of(h[NFTA_HOOK_DEV]), device));
}

static int on_chain(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	const struct nlattr *tb[ATTR_MAX];
	const uint8_t *def;
	const char *name;
	json_t *chain = NULL;
	struct seen *s;
	size_t len = 0;

	attributes(nlh, tb);
	s = find_table(d, nlh, tb[NFTA_CHAIN_TABLE]);
	name = text_of(tb[NFTA_CHAIN_NAME]);
	if (!s || !name)
		return 0;
	def = udata_of(tb[NFTA_CHAIN_USERDATA], NFT_UDATA_TEXT, &len);
	if (def)
		chain = json_loadb((const char *)def, len, 0, NULL);
	else if (!tb[NFTA_CHAIN_HOOK])
		chain = json_pack("{ss}", "name", name);
	if (!chain || (def && !is_chain_as(tb, s->family, chain))) {
		json_decref(chain);
		chain = json_pack("{ssss}", "name", name, "hook", "?");
	}
	if (s->flags & NFT_TABLE_INLINE)
		json_object_set_new(chain, "rules", json_array());
	return json_array_append_new(s->chains, chain) ? -ENOMEM : 0;
}

/* A named set; one written out in a rule is part of that. */
static int on_set(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	const struct nlattr *tb[ATTR_MAX];
	const uint8_t *def;
	struct seen *s;
	json_t *set;
	size_t len = 0;

	attributes(nlh, tb);
	s = find_table(d, nlh, tb[NFTA_SET_TABLE]);
	if (!s || (u32_of(tb[NFTA_SET_FLAGS]) & NFT_SET_ANONYMOUS) || !text_of(tb[NFTA_SET_NAME]))
		return 0;
	def = udata_of(tb[NFTA_SET_USERDATA], NFT_UDATA_TEXT, &len);
	set = def ? json_loadb((const char *)def, len, 0, NULL) : NULL;
	if (!set)
		set = json_pack("{ssss}", "name", text_of(tb[NFTA_SET_NAME]), "type", "?");
	if (!s->sets) {
		s->sets = json_array();
		json_object_set_new(s->doc, "sets", s->sets);
	}
	return json_array_append_new(s->sets, set) ? -ENOMEM : 0;
}

static int on_elements(const struct nlmsghdr *nlh, void *data)
{
	json_t *elements = data;
	const struct nlattr *tb[ATTR_MAX], *e[ATTR_MAX], *attr;

	attributes(nlh, tb);
	if (!tb[NFTA_SET_ELEM_LIST_ELEMENTS])
		return 0;
	mnl_attr_for_each_nested(attr, tb[NFTA_SET_ELEM_LIST_ELEMENTS])
	{
		const uint8_t *text;
		size_t len = 0;

		nested(attr, e);
		if (u32_of(e[NFTA_SET_ELEM_FLAGS]) & NFT_SET_ELEM_INTERVAL_END)
			continue;
		text = udata_of(e[NFTA_SET_ELEM_USERDATA], NFT_UDATA_TEXT, &len);
		if (json_array_append_new(elements, text ? json_stringn((const char *)text, len)
							 : json_string("?")))
			return -ENOMEM;
	}
	return 0;
}

struct set_name {
	const char *table, *set;
};

static void fill_set_name(struct nlmsghdr *nlh, const void *arg)
{
	const struct set_name *name = arg;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, name->table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name->set);
}

/* Packets make its elements. */
static bool is_dynamic(const json_t *set)
{
	const json_t *flags = json_object_get(set, "flags"), *flag;
	size_t i;

	json_array_foreach (flags, i, flag)
		if (json_is_string(flag) && !strcmp(json_string_value(flag), "dynamic"))
			return true;
	return false;
}

static int read_elements(struct dump *d, struct seen *s, json_t *set)
{
	struct set_name name = { s->table, json_string_value(json_object_get(set, "name")) };
	json_t *elements = json_array();
	int rc = is_dynamic(set) ? 0
				 : nft_ask(d->nft, NFT_MSG_GETSETELEM, s->family, NLM_F_DUMP,
					   fill_set_name, &name, on_elements, elements);

	if (!rc)
		rc = nft_sort(elements);
	if (!rc && json_object_set(set, "elements", elements) != 0)
		rc = -ENOMEM;
	json_decref(elements);
	return rc;
}

static json_t *rules_of_chain(struct seen *s, const char *name)
{
	json_t *chain;
	size_t i;

	if (s->chain && !strcmp(s->chain, name))
		return s->chain_rules;
	json_array_foreach (s->chains, i, chain) {
		const char *have = json_string_value(json_object_get(chain, "name"));

		if (!have || strcmp(have, name) != 0)
			continue;
		s->chain = have;
		s->chain_rules = json_object_get(chain, "rules");
		return s->chain_rules;
	}
	return NULL;
}

static int add_inline(struct seen *s, const char *chain, const char *text, size_t len,
		      const char *comment, size_t comment_len)
{
	char whole[2 * NFT_USERDATA_MAXLEN + 16];
	int n = snprintf(whole, sizeof(whole), comment ? "%.*s comment \"%.*s\"" : "%.*s", (int)len,
			 text, (int)comment_len, comment ? comment : "");
	json_t *rules = rules_of_chain(s, chain);

	return json_array_append_new(rules, json_stringn(whole, (size_t)n)) && rules ? -ENOMEM : 0;
}

static int add_listed(struct seen *s, const char *chain, const char *text, size_t len,
		      const char *comment, size_t comment_len, int index)
{
	struct seen_rule *r = array_add(&s->rules, &s->nr_rules, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->index = index;
	r->json = json_pack("{ssss%}", "chain", chain, "rule", text, len);
	if (comment)
		json_object_set_new(r->json, "comment", json_stringn(comment, comment_len));
	return r->json ? 0 : -ENOMEM;
}

static int on_rule(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	const struct nlattr *tb[ATTR_MAX];
	size_t len = 1, comment_len = 0, index_len = 0;
	const uint8_t *text, *comment, *index;
	const char *chain;
	struct seen *s;

	attributes(nlh, tb);
	s = find_table(d, nlh, tb[NFTA_RULE_TABLE]);
	chain = text_of(tb[NFTA_RULE_CHAIN]);
	if (!s || !chain)
		return 0;
	text = udata_of(tb[NFTA_RULE_USERDATA], NFT_UDATA_TEXT, &len);
	if (!text) {
		text = (const uint8_t *)"?";
		len = 1;
	}
	comment = udata_of(tb[NFTA_RULE_USERDATA], NFTNL_UDATA_RULE_COMMENT, &comment_len);
	comment_len = comment ? strnlen((const char *)comment, comment_len) : 0;
	index = udata_of(tb[NFTA_RULE_USERDATA], NFT_UDATA_INDEX, &index_len);
	if (s->flags & NFT_TABLE_INLINE)
		return add_inline(s, chain, (const char *)text, len, (const char *)comment,
				  comment_len);
	return add_listed(s, chain, (const char *)text, len, (const char *)comment, comment_len,
			  index && index_len == 2 ? index[0] << 8 | index[1] : UINT16_MAX + 1);
}

static int compare_index(const void *a, const void *b)
{
	return ((const struct seen_rule *)a)->index - ((const struct seen_rule *)b)->index;
}

static int finish_table(struct dump *d, struct seen *s, json_t *docs)
{
	json_t *rules = s->flags & NFT_TABLE_INLINE ? NULL : json_array(), *set;
	size_t i;
	int rc = 0;

	json_array_foreach (s->sets, i, set)
		rc = rc ? rc : read_elements(d, s, set);
	if (s->nr_rules)
		qsort(s->rules, s->nr_rules, sizeof(*s->rules), compare_index);
	for (i = 0; rules && i < s->nr_rules; i++)
		json_array_append(rules, s->rules[i].json);
	if (rules)
		json_object_set_new(s->doc, "rules", rules);
	return rc ? rc : json_object_set(docs, s->name, s->doc) ? -ENOMEM : 0;
}

static void fill_table_name(struct nlmsghdr *nlh, const void *arg)
{
	const struct seen *s = arg;

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, s->table);
}

/* Table by table: each part of a dump begins with a walk over all rules before it. */
static int read_rules(struct dump *d, struct seen *s)
{
	d->last = s;
	return nft_ask(d->nft, NFT_MSG_GETRULE, s->family, NLM_F_DUMP, fill_table_name, s, on_rule,
		       d);
}

static int read_once(struct dump *d, json_t *docs)
{
	static const struct {
		uint16_t type;
		int (*fn)(const struct nlmsghdr *nlh, void *data);
	} dumps[] = { { NFT_MSG_GETTABLE, on_table },
		      { NFT_MSG_GETCHAIN, on_chain },
		      { NFT_MSG_GETSET, on_set } };
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(dumps) / sizeof(dumps[0]); i++) {
		/* A table is called by its name, which may lie elsewhere now that there are more. */
		for (size_t t = 0; i && t < d->nr; t++)
			d->seen[t].table = strchr(d->seen[t].name, ' ') + 1;
		d->last = NULL;
		if (!i || d->nr)
			rc = nft_ask(d->nft, dumps[i].type, NFPROTO_UNSPEC, NLM_F_DUMP, NULL, NULL,
				     dumps[i].fn, d);
	}
	for (size_t i = 0; !rc && i < d->nr; i++)
		rc = read_rules(d, &d->seen[i]);
	for (size_t i = 0; !rc && i < d->nr; i++)
		rc = finish_table(d, &d->seen[i], docs);
	return rc;
}

static void dump_fini(struct dump *d)
{
	for (size_t i = 0; i < d->nr; i++) {
		for (size_t r = 0; r < d->seen[i].nr_rules; r++)
			json_decref(d->seen[i].rules[r].json);
		free(d->seen[i].rules);
		json_decref(d->seen[i].doc);
	}
	free(d->seen);
}

int nft_dump(struct nft *n, json_t **docs_out)
{
	struct dump d = { .nft = n };
	json_t *docs = json_object();
	int rc = docs ? read_once(&d, docs) : -ENOMEM;

	dump_fini(&d);
	if (rc) {
		json_decref(docs);
		docs = NULL;
	}
	*docs_out = docs;
	return rc;
}
