/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table's document: checked, compiled, and made into messages. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>

#include "vswitch/vswitch.h"

#define COMMENT_MAX 100

static const struct {
	const char *name;
	uint8_t family;
} families[] = {
	{ "inet", NFPROTO_INET },     { "ip", NFPROTO_IPV4 },	    { "ip6", NFPROTO_IPV6 },
	{ "netdev", NFPROTO_NETDEV }, { "bridge", NFPROTO_BRIDGE },
};

static const struct {
	const char *name;
	int number;
} hooks[] = {
	{ "prerouting", NF_INET_PRE_ROUTING },	 { "input", NF_INET_LOCAL_IN },
	{ "forward", NF_INET_FORWARD },		 { "output", NF_INET_LOCAL_OUT },
	{ "postrouting", NF_INET_POST_ROUTING },
};

const char *nft_family_name(uint8_t family)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (families[i].family == family)
			return families[i].name;
	return NULL;
}

static int find_family(const char *name, size_t len, uint8_t *family)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strlen(families[i].name) == len && !memcmp(families[i].name, name, len)) {
			*family = families[i].family;
			return 0;
		}
	return -EINVAL;
}

int nft_name_parse(const char *name, uint8_t *family, const char **table)
{
	size_t len = strcspn(name, " ");

	*table = name + len + 1;
	if (!name[len] || strncmp(*table, NFT_TABLE_PREFIX, strlen(NFT_TABLE_PREFIX)) != 0 ||
	    strlen(*table) >= NFT_TABLE_MAXNAMELEN / 2)
		return -EINVAL;
	return find_family(name, len, family);
}

int nft_hook_number(const char *hook, const char *device)
{
	if (device)
		return !strcmp(hook, "ingress")	 ? NF_NETDEV_INGRESS
		       : !strcmp(hook, "egress") ? NF_NETDEV_EGRESS
						 : -1;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (!strcmp(hooks[i].name, hook))
			return hooks[i].number;
	return -1;
}

const char *nft_hook_name(uint8_t family, int number)
{
	if (family == NFPROTO_NETDEV)
		return number == NF_NETDEV_INGRESS ? "ingress" : "egress";
	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
		if (hooks[i].number == number)
			return hooks[i].name;
	return "?";
}

static bool is_inline(const json_t *doc)
{
	return !json_object_get(doc, "rules");
}

static const char *member(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static int bad_chain(char *why, const char *name, const char *what)
{
	snprintf(why, VS_TEXT_LEN, "chain %.40s: %.70s", name, what);
	return -EINVAL;
}

/* All but its rules, as the kernel keeps it for us. Return: its length, 0: too long. */
size_t nft_chain_definition(const json_t *chain, char text[NFT_RULE_LEN])
{
	json_t *bare = json_copy((json_t *)(uintptr_t)chain);
	size_t size = 0;

	if (bare) {
		json_object_del(bare, "rules");
		size = json_dumpb(bare, text, NFT_RULE_LEN, JSON_COMPACT | JSON_SORT_KEYS);
	}
	json_decref(bare);
	return size > NFT_RULE_LEN ? 0 : size;
}

static int check_chain(uint8_t family, const json_t *chain, bool inline_rules, char *why)
{
	const char *name = member(chain, "name"), *hook = member(chain, "hook");
	const char *device = member(chain, "device"), *policy = member(chain, "policy");

	if (!name || !name[0] || strlen(name) >= 64)
		return bad_chain(why, name ? name : "", "\"name\" is missing or too long");
	if (inline_rules != json_is_array(json_object_get(chain, "rules")))
		return bad_chain(why, name, "\"rules\" in each chain, or in the table");
	if (!hook)
		return device || policy ? bad_chain(why, name, "\"hook\" is missing") : 0;
	if ((family == NFPROTO_NETDEV) != (device != NULL))
		return bad_chain(why, name, "family netdev, and no other, has \"device\"");
	if (device && strlen(device) >= IFNAMSIZ)
		return bad_chain(why, name, "no such device");
	if (nft_hook_number(hook, device) < 0)
		return bad_chain(why, name, "no such hook");
	if (policy && strcmp(policy, "drop") != 0 && strcmp(policy, "accept") != 0)
		return bad_chain(why, name, "\"policy\" is drop or accept");
	return json_is_integer(json_object_get(chain, "priority"))
		       ? 0
		       : bad_chain(why, name, "\"priority\" is a number");
}

/* One table on its way. */
struct build {
	uint8_t family;
	const char *table;
	const json_t *doc;
	struct nft_set *sets;
	size_t nr_sets;
	uint32_t set_id; /* when there is no batch */
	struct nft_batch *batch;
	char *why;
};

/* What the messages that follow are of, for what the kernel says to them. */
static void speak_of(struct build *t, const char *what, const char *text)
{
	if (!t->batch)
		return;
	t->batch->what = what;
	t->batch->text = text;
}

static uint32_t *set_id(struct build *t)
{
	return t->batch ? &t->batch->set_id : &t->set_id;
}

static int put_chains(struct build *t)
{
	const json_t *chains = json_object_get(t->doc, "chains"), *chain;
	int rc = 0;
	size_t i;

	json_array_foreach (chains, i, chain) {
		rc = check_chain(t->family, chain, is_inline(t->doc), t->why);
		if (rc)
			return rc;
		speak_of(t, "chain", member(chain, "name"));
		if (t->batch)
			nft_put_chain(t->batch, t->family, t->table, chain);
	}
	return 0;
}

static int read_set(struct build *t, const json_t *json, struct nft_set *set)
{
	const json_t *elements = json_object_get(json, "elements"), *element;
	int rc = nft_set_from_json(json, set, t->why);
	const char *last = "";
	size_t i;

	set->id = ++*set_id(t);
	if (!rc && !json_is_array(elements)) {
		snprintf(t->why, VS_TEXT_LEN, "set %.40s has no \"elements\"", set->name);
		rc = -EINVAL;
	}
	json_array_foreach (elements, i, element) {
		const char *text = json_string_value(element);

		if (!rc && (!text || strcmp(last, text) >= 0)) {
			snprintf(t->why, VS_TEXT_LEN,
				 "set %.20s: '%.60s' is out of order: nft_sort()", set->name,
				 text ? text : "");
			rc = -EINVAL;
		}
		if (!rc)
			rc = nft_set_add(set, text, t->why);
		last = text;
	}
	return rc ? rc : nft_set_finish(set, t->why);
}

static int put_sets(struct build *t)
{
	const json_t *sets = json_object_get(t->doc, "sets"), *json;
	size_t i;
	int rc = 0;

	t->sets = calloc(json_array_size(sets) + 1, sizeof(*t->sets));
	if (!t->sets)
		return -ENOMEM;
	json_array_foreach (sets, i, json) {
		t->nr_sets++;
		rc = read_set(t, json, &t->sets[i]);
		if (rc)
			return rc;
		speak_of(t, "set", member(json, "name"));
		if (t->batch) {
			nft_put_set(t->batch, t->family, t->table, &t->sets[i]);
			nft_put_elems(t->batch, t->family, t->table, &t->sets[i], false);
		}
	}
	return 0;
}

static int put_rule(struct build *t, const json_t *chain, const struct nft_words *words)
{
	const char *text = words->text, *comment = words->comment;
	const char *hook = member(chain, "hook");
	struct nft_scope scope = { .family = t->family,
				   .is_ingress = hook && !strcmp(hook, "ingress"),
				   .sets = t->sets,
				   .nr_sets = t->nr_sets,
				   .chains = json_object_get(t->doc, "chains"),
				   .set_id = set_id(t) };
	struct nft_build b = { .scope = &scope, .why = t->why };
	size_t len = strlen(text) + (comment ? strlen(comment) + 3 : 0) +
		     (words->index < 0 ? 0 : 4);
	int rc = nft_rule_compile(&b, text);

	speak_of(t, "rule", words->whole);
	if (!rc && len > NFT_RULE_LEN) {
		snprintf(t->why, VS_TEXT_LEN, "rule and comment are longer than %d", NFT_RULE_LEN);
		rc = -EINVAL;
	}
	len = rc == -EINVAL ? strlen(t->why) : VS_TEXT_LEN;
	if (len + 16 < VS_TEXT_LEN)
		snprintf(t->why + len, VS_TEXT_LEN - len, " in \"%s\"", text);
	for (size_t i = 0; !rc && t->batch && i < b.nr_sets; i++) {
		nft_put_set(t->batch, t->family, t->table, &b.sets[i]);
		nft_put_elems(t->batch, t->family, t->table, &b.sets[i], false);
	}
	if (!rc && t->batch)
		nft_put_rule(t->batch, t->family, t->table, b.rule, words);
	nft_build_fini(&b);
	return rc;
}

/* The comment at the end of a chain's rule, cut off it. */
static char *cut_comment(char *text)
{
	size_t len = strlen(text);
	char *at = strstr(text, " comment \"");

	if (!at || text[len - 1] != '"')
		return NULL;
	text[len - 1] = '\0';
	*at = '\0';
	return at + strlen(" comment \"");
}

static int put_chain_rules(struct build *t)
{
	const json_t *chains = json_object_get(t->doc, "chains"), *chain;
	size_t i, j;

	json_array_foreach (chains, i, chain) {
		const json_t *rules = json_object_get(chain, "rules"), *rule;

		json_array_foreach (rules, j, rule) {
			struct nft_words words = { .chain = member(chain, "name"), .index = -1 };
			const char *text = json_string_value(rule);
			char copy[NFT_RULE_LEN + 16];
			int rc;

			if (!text || strlen(text) >= sizeof(copy))
				return bad_chain(t->why, member(chain, "name"),
						 "a rule is missing or too long");
			strcpy(copy, text);
			words.comment = cut_comment(copy);
			words.text = copy;
			words.whole = text;
			rc = put_rule(t, chain, &words);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static const json_t *find_chain(const json_t *doc, const char *name)
{
	const json_t *chain;
	size_t i;

	json_array_foreach (json_object_get(doc, "chains"), i, chain)
		if (name && !strcmp(member(chain, "name"), name))
			return chain;
	return NULL;
}

static int put_rules(struct build *t)
{
	const json_t *rules = json_object_get(t->doc, "rules"), *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		struct nft_words words = { .chain = member(rule, "chain"),
					   .text = member(rule, "rule"),
					   .comment = member(rule, "comment"),
					   .whole = member(rule, "rule"),
					   .index = (int)i };
		const json_t *chain = find_chain(t->doc, words.chain);
		int rc;

		if (!words.text || !chain || i > UINT16_MAX ||
		    (words.comment && strlen(words.comment) > COMMENT_MAX))
			return bad_chain(t->why, words.chain ? words.chain : "",
					 "no such chain, or its rule has no text");
		rc = put_rule(t, chain, &words);
		if (rc)
			return rc;
	}
	return 0;
}

int nft_doc_build(const char *name, const json_t *doc, struct nft_batch *batch, char *why)
{
	struct build t = { .doc = doc, .batch = batch, .why = why };
	int rc = nft_name_parse(name, &t.family, &t.table);

	why[0] = '\0';
	if (rc) {
		snprintf(why, VS_TEXT_LEN, "'%.60s' is no table of ours", name);
		return rc;
	}
	speak_of(&t, "table", t.table);
	if (batch)
		nft_put_table(batch, t.family, t.table,
			      (uint8_t)((is_inline(doc) ? NFT_TABLE_INLINE : 0) |
					(json_object_get(doc, "sets") ? NFT_TABLE_SETS : 0)));
	rc = put_chains(&t);
	if (!rc)
		rc = put_sets(&t);
	if (!rc)
		rc = is_inline(doc) ? put_chain_rules(&t) : put_rules(&t);
	for (size_t i = 0; i < t.nr_sets; i++)
		nft_set_fini(&t.sets[i]);
	free(t.sets);
	return rc;
}

int nft_check(const char *name, const json_t *doc, char *why)
{
	return nft_doc_build(name, doc, NULL, why);
}

int nft_check_rule(const char *family, const char *text, char *why)
{
	uint32_t id = 0;
	struct nft_scope scope = { .set_id = &id };
	struct nft_build b = { .scope = &scope, .why = why };
	int rc = find_family(family, strlen(family), &scope.family);

	why[0] = '\0';
	if (!rc)
		rc = nft_rule_compile(&b, text);
	nft_build_fini(&b);
	return rc;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a),
		      json_string_value(*(json_t *const *)b));
}

int nft_sort(json_t *elements)
{
	size_t nr = json_array_size(elements), i;
	json_t **v = calloc(nr + 1, sizeof(json_t *));

	if (!v)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		v[i] = json_incref(json_array_get(elements, i));
	qsort(v, nr, sizeof(json_t *), compare_texts);
	for (i = 0; i < nr; i++)
		json_array_set_new(elements, i, v[i]);
	free(v);
	return 0;
}
