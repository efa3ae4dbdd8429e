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
				uint16_t flags)
{
	void *at = next(batch);
	struct nft_said *said = at ? array_add(&batch->said, &batch->nr_said, sizeof(*said)) : NULL;

	if (!said) {
		batch->is_nomem = true;
		return NULL;
	}
	*said = (struct nft_said){ .seq = ++batch->seq, .what = batch->what, .text = batch->text };
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
			  const char *table, uint8_t table_flags)
{
	struct nlmsghdr *nlh = message(batch, type, family, flags);
	uint8_t mark[] = { NFT_UDATA_TEXT, 1, table_flags };
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

void nft_put_table(struct nft_batch *batch, uint8_t family, const char *table, uint8_t flags)
{
	table_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, family, table, flags);
}

void nft_del_table(struct nft_batch *batch, uint8_t family, const char *table)
{
	table_message(batch, NFT_MSG_DELTABLE, NLM_F_ACK, family, table, 0);
}

static void fill_chain(struct nftnl_chain *c, const char *table, const json_t *chain)
{
	const char *hook = json_string_value(json_object_get(chain, "hook"));
	const char *type = json_string_value(json_object_get(chain, "type"));
	const char *policy = json_string_value(json_object_get(chain, "policy"));
	const char *device = json_string_value(json_object_get(chain, "device"));
	uint8_t udata[2 + NFT_RULE_LEN] = { NFT_UDATA_TEXT };

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
	udata[1] = (uint8_t)nft_chain_definition(chain, (char *)udata + 2);
	nftnl_chain_set_data(c, NFTNL_CHAIN_USERDATA, udata, 2u + udata[1]);
}

void nft_del_chain(struct nft_batch *batch, uint8_t family, const char *table, const char *name)
{
	struct nlmsghdr *nlh = message(batch, NFT_MSG_DELCHAIN, family, NLM_F_ACK);
	struct nftnl_chain *c = nlh ? nftnl_chain_alloc() : NULL;

	if (!c) {
		batch->is_nomem = true;
		return;
	}
	nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table);
	nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	nftnl_chain_free(c);
	commit(batch, nlh);
}

void nft_put_chain(struct nft_batch *batch, uint8_t family, const char *table, const json_t *chain)
{
	struct nlmsghdr *nlh = message(batch, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE);
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

static size_t put_udata(uint8_t *udata, size_t at, uint8_t type, const void *data, size_t len)
{
	udata[at] = type;
	udata[at + 1] = (uint8_t)len;
	memcpy(udata + at + 2, data, len);
	return at + 2 + len;
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
	uint32_t byteorder = nft_types[set->key.types[0]].is_host ? 1 : 2; /* nft(8)'s listing */
	uint8_t udata[2 + NFT_RULE_LEN + 6];
	size_t at;

	flags |= set->is_map ? NFT_SET_MAP : 0;
	flags |= set->is_interval ? NFT_SET_INTERVAL : 0;
	flags |= set->is_dynamic ? NFT_SET_EVAL : 0;
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
	at = put_udata(udata, 0, NFTNL_UDATA_SET_KEYBYTEORDER, &byteorder, sizeof(byteorder));
	at = put_udata(udata, at, NFT_UDATA_TEXT, set->definition, strlen(set->definition));
	nftnl_set_set_data(s, NFTNL_SET_USERDATA, udata, (uint32_t)at);
}

void nft_put_set(struct nft_batch *batch, uint8_t family, const char *table,
		 const struct nft_set *set)
{
	struct nlmsghdr *nlh = message(batch, NFT_MSG_NEWSET, family, NLM_F_CREATE);
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

static void put_elems(struct nft_batch *batch, uint8_t family, struct nftnl_set *s, bool is_delete)
{
	struct nftnl_set_elems_iter *iter = nftnl_set_elems_iter_create(s);
	uint16_t type = is_delete ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM;
	int more = iter ? 1 : 0;

	if (!iter)
		batch->is_nomem = true;
	while (more > 0) {
		struct nlmsghdr *nlh = message(batch, type, family, is_delete ? 0 : NLM_F_CREATE);

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
		put_elems(batch, family, s, is_delete);
	else
		batch->is_nomem = true;
	if (s)
		nftnl_set_free(s);
}

void nft_put_rule(struct nft_batch *batch, uint8_t family, const char *table,
		  struct nftnl_rule *rule, const struct nft_words *words)
{
	struct nlmsghdr *nlh = message(batch, NFT_MSG_NEWRULE, family, NLM_F_CREATE | NLM_F_APPEND);
	uint8_t index[] = { (uint8_t)(words->index >> 8), (uint8_t)words->index };
	uint8_t udata[NFT_USERDATA_MAXLEN];
	size_t at = 0;

	if (!nlh)
		return;
	if (words->comment)
		at = put_udata(udata, at, NFTNL_UDATA_RULE_COMMENT, words->comment,
			       strlen(words->comment) + 1);
	if (words->index >= 0)
		at = put_udata(udata, at, NFT_UDATA_INDEX, index, sizeof(index));
	at = put_udata(udata, at, NFT_UDATA_TEXT, words->text, strlen(words->text));
	nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table);
	nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, words->chain);
	nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, family);
	nftnl_rule_set_data(rule, NFTNL_RULE_USERDATA, udata, (uint32_t)at);
	nftnl_rule_nlmsg_build_payload(nlh, rule);
	commit(batch, nlh);
}
