/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages of one transaction: all of it happens, or nothing. */
#include "vswitch/nft_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>

#include "vswitch/array.h"

#define MESSAGE_MAX (80 * 1024) /* a nested attribute holds 64 KiB */
#define FIRST_ROOM  (256 * 1024)

/* Room for a message; NULL: out of memory. */
static void *next(struct nft_batch *batch)
{
	size_t room = batch->room ? batch->room : FIRST_ROOM;
	uint8_t *grown;

	while (batch->size + MESSAGE_MAX > room)
		room *= 2;
	if (room != batch->room) {
		grown = realloc(batch->buf, room);
		if (!grown) {
			batch->is_nomem = true;
			return NULL;
		}
		batch->buf = grown;
		batch->room = room;
	}
	return batch->buf + batch->size;
}

static struct nlmsghdr *message(struct nft_batch *batch, uint16_t type, uint8_t family,
				uint16_t flags, const char *what, const char *text)
{
	void *at = next(batch);
	struct nft_said *said = at ? array_add(&batch->said, &batch->nr_said, sizeof(*said)) : NULL;

	if (!said) {
		batch->is_nomem = true;
		return NULL;
	}
	*said = (struct nft_said){ .seq = ++batch->seq, .what = what, .text = text };
	return nftnl_nlmsg_build_hdr(at, type, family, flags, batch->seq);
}

static void commit(struct nft_batch *batch, const struct nlmsghdr *nlh)
{
	batch->size += NLMSG_ALIGN(nlh->nlmsg_len);
}

void nft_batch_begin(struct nft_batch *batch, uint32_t seq)
{
	void *at;

	*batch = (struct nft_batch){ .seq = seq };
	at = next(batch);
	if (at)
		commit(batch, nftnl_batch_begin(at, batch->seq));
}

int nft_batch_end(struct nft_batch *batch)
{
	void *at = next(batch);

	if (!at || batch->is_nomem)
		return -ENOMEM;
	commit(batch, nftnl_batch_end(at, ++batch->seq));
	return 0;
}

void nft_batch_fini(struct nft_batch *batch)
{
	free(batch->buf);
	free(batch->said);
	*batch = (struct nft_batch){ 0 };
}

static void table_message(struct nft_batch *batch, uint16_t type, uint16_t flags, uint8_t family,
			  const char *table, bool is_inline)
{
	struct nlmsghdr *nlh = message(batch, type, family, flags, "table", table);
	uint8_t mark[] = { NFT_UDATA_TEXT, 1, is_inline };
	struct nftnl_table *t = nlh ? nftnl_table_alloc() : NULL;

	if (!t) {
		batch->is_nomem = true;
		return;
	}
	nftnl_table_set_str(t, NFTNL_TABLE_NAME, table);
	if (type == NFT_MSG_NEWTABLE)
		nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, mark, sizeof(mark));
	nftnl_table_nlmsg_build_payload(nlh, t);
	nftnl_table_free(t);
	commit(batch, nlh);
}

void nft_put_table(struct nft_batch *batch, uint8_t family, const char *table, bool is_inline)
{
	table_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, family, table, is_inline);
}

void nft_del_table(struct nft_batch *batch, uint8_t family, const char *table)
{
	table_message(batch, NFT_MSG_DELTABLE, NLM_F_ACK, family, table, false);
}

static void fill_chain(struct nftnl_chain *c, const char *table, const json_t *chain)
{
	const char *hook = json_string_value(json_object_get(chain, "hook"));
	const char *type = json_string_value(json_object_get(chain, "type"));
	const char *policy = json_string_value(json_object_get(chain, "policy"));
	const char *device = json_string_value(json_object_get(chain, "device"));

	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, json_string_value(json_object_get(chain, "name")));
	if (!hook)
		return;
	nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type ? type : "filter");
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, (uint32_t)nft_hook_number(hook, device));
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO,
			    (int32_t)json_integer_value(json_object_get(chain, "priority")));
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY,
			    policy && !strcmp(policy, "drop") ? NF_DROP : NF_ACCEPT);
	if (device)
		nftnl_chain_set_str(c, NFTNL_CHAIN_DEV, device);
}

void nft_put_chain(struct nft_batch *batch, uint8_t family, const char *table, const json_t *chain)
{
	struct nlmsghdr *nlh = message(batch, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE, "chain",
				       json_string_value(json_object_get(chain, "name")));
	struct nftnl_chain *c = nlh ? nftnl_chain_alloc() : NULL;

	if (!c) {
		batch->is_nomem = true;
		return;
	}
	fill_chain(c, table, chain);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	nftnl_chain_free(c);
	commit(batch, nlh);
}

/* nft(8)'s number for joined types: 6 bits each. */
static uint32_t type_number(const struct nft_key *key)
{
	uint32_t n = 0;

	for (size_t i = 0; i < key->nr; i++)
		n = n << 6 | nft_types[key->types[i]].id;
	return n;
}

static void fill_set(struct nftnl_set *s, const char *table, const struct nft_set *set)
{
	uint32_t flags = set->is_anonymous ? NFT_SET_ANONYMOUS | NFT_SET_CONSTANT : 0;
	uint8_t udata[2 + NFT_RULE_LEN];
	size_t len = strlen(set->definition);

	flags |= set->is_map ? NFT_SET_MAP : 0;
	flags |= set->is_interval ? NFT_SET_INTERVAL : 0;
	if (set->is_interval && set->key.nr > 1) {
		flags |= NFT_SET_CONCAT;
		nftnl_set_set_data(s, NFTNL_SET_DESC_CONCAT, set->key.sizes, (uint32_t)set->key.nr);
	}
	nftnl_set_set_str(s, NFTNL_SET_TABLE, table);
	nftnl_set_set_str(s, NFTNL_SET_NAME, set->name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, set->id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type_number(&set->key));
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, (uint32_t)nft_key_size(&set->key));
	if (set->is_map && set->data.types[0] == NFT_T_VERDICT) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, 0);
	} else if (set->is_map) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, type_number(&set->data));
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, (uint32_t)nft_key_size(&set->data));
	}
	if (set->is_anonymous) {
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, (uint32_t)set->nr);
		return;
	}
	udata[0] = NFT_UDATA_TEXT;
	udata[1] = (uint8_t)len;
	memcpy(udata + 2, set->definition, len);
	nftnl_set_set_data(s, NFTNL_SET_USERDATA, udata, (uint32_t)len + 2);
}

void nft_put_set(struct nft_batch *batch, uint8_t family, const char *table,
		 const struct nft_set *set)
{
	struct nlmsghdr *nlh = message(batch, NFT_MSG_NEWSET, family, NLM_F_CREATE, "set",
				       set->name);
	struct nftnl_set *s = nlh ? nftnl_set_alloc() : NULL;

	if (!s) {
		batch->is_nomem = true;
		return;
	}
	fill_set(s, table, set);
	nftnl_set_nlmsg_build_payload(nlh, s);
	nftnl_set_free(s);
	commit(batch, nlh);
}

static struct nftnl_set_elem *new_elem(struct nftnl_set *s, const uint8_t *key, size_t size)
{
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();

	if (elem) {
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key, (uint32_t)size);
		nftnl_set_elem_add(s, elem);
	}
	return elem;
}

/* The first key behind an interval. Return: false: there is none. */
static bool key_behind(const uint8_t *end, size_t size, uint8_t *behind)
{
	memcpy(behind, end, size);
	for (size_t i = size; i-- > 0;)
		if (++behind[i])
			return true;
	return false;
}

static void fill_elem(struct nftnl_set_elem *elem, const struct nft_set *set,
		      const struct nft_elem *e)
{
	uint8_t udata[2 + NFT_ELEMENT_LEN];
	size_t len = e->text ? strlen(e->text) : 0;

	if (set->is_interval && set->key.nr > 1)
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY_END, e->end,
				   (uint32_t)nft_key_size(&set->key));
	if (set->is_map && set->data.types[0] == NFT_T_VERDICT) {
		nftnl_set_elem_set_u32(elem, NFTNL_SET_ELEM_VERDICT, (uint32_t)e->verdict);
		if (e->chain[0])
			nftnl_set_elem_set_str(elem, NFTNL_SET_ELEM_CHAIN, e->chain);
	} else if (set->is_map) {
		nftnl_set_elem_set(elem, NFTNL_SET_ELEM_DATA, e->data,
				   (uint32_t)nft_key_size(&set->data));
	}
	if (!e->text)
		return;
	udata[0] = NFT_UDATA_TEXT;
	udata[1] = (uint8_t)len;
	memcpy(udata + 2, e->text, len);
	nftnl_set_elem_set(elem, NFTNL_SET_ELEM_USERDATA, udata, (uint32_t)len + 2);
}

/* An interval of one field is two elements: its first key, and the first behind it. */
static bool add_elem(struct nftnl_set *s, const struct nft_set *set, const struct nft_elem *e)
{
	size_t size = nft_key_size(&set->key);
	struct nftnl_set_elem *elem = new_elem(s, e->key, size);
	uint8_t behind[NFT_KEY_SIZE];

	if (!elem)
		return false;
	fill_elem(elem, set, e);
	if (!set->is_interval || set->key.nr > 1 || !key_behind(e->end, size, behind))
		return true;
	elem = new_elem(s, behind, size);
	if (elem)
		nftnl_set_elem_set_u32(elem, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	return elem != NULL;
}

static void put_elems(struct nft_batch *batch, uint8_t family, const struct nft_set *set,
		      struct nftnl_set *s, bool is_delete)
{
	struct nftnl_set_elems_iter *iter = nftnl_set_elems_iter_create(s);
	uint16_t type = is_delete ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM;
	int more = iter ? 1 : 0;

	if (!iter)
		batch->is_nomem = true;
	while (more > 0) {
		struct nlmsghdr *nlh = message(batch, type, family, is_delete ? 0 : NLM_F_CREATE,
					       "elements of set", set->name);

		more = nlh ? nftnl_set_elems_nlmsg_build_payload_iter(nlh, iter) : 0;
		if (nlh)
			commit(batch, nlh);
	}
	if (iter)
		nftnl_set_elems_iter_destroy(iter);
}

void nft_put_elems(struct nft_batch *batch, uint8_t family, const char *table,
		   const struct nft_set *set, bool is_delete)
{
	struct nftnl_set *s = set->nr ? nftnl_set_alloc() : NULL;
	bool ok = s != NULL;

	if (!set->nr)
		return;
	if (ok) {
		nftnl_set_set_str(s, NFTNL_SET_TABLE, table);
		nftnl_set_set_str(s, NFTNL_SET_NAME, set->name);
		nftnl_set_set_u32(s, NFTNL_SET_ID, set->id);
	}
	for (size_t i = 0; ok && i < set->nr; i++)
		ok = add_elem(s, set, &set->elems[i]);
	if (ok)
		put_elems(batch, family, set, s, is_delete);
	else
		batch->is_nomem = true;
	if (s)
		nftnl_set_free(s);
}

void nft_put_rule(struct nft_batch *batch, uint8_t family, const char *table, const char *chain,
		  struct nftnl_rule *rule, const char *text, const char *comment)
{
	struct nlmsghdr *nlh = message(batch, NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND,
				       "rule", text);
	uint8_t udata[NFT_USERDATA_MAXLEN];
	size_t len = strlen(text), at = 0;

	if (!nlh)
		return;
	if (comment) {
		udata[at++] = NFTNL_UDATA_RULE_COMMENT;
		udata[at++] = (uint8_t)(strlen(comment) + 1);
		strcpy((char *)udata + at, comment);
		at += strlen(comment) + 1;
	}
	udata[at++] = NFT_UDATA_TEXT;
	udata[at++] = (uint8_t)len;
	memcpy(udata + at, text, len);
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, family);
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, udata, (uint32_t)(at + len));
	nftnl_rule_nlmsg_build_payload(nlh, rule);
	commit(batch, nlh);
}
