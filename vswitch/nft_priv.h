/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by nft*.c, the only files that know libmnl and libnftnl. */
#ifndef VSWITCH_NFT_PRIV_H
#define VSWITCH_NFT_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <net/if.h>

#include <jansson.h>
#include <linux/netfilter/nf_tables.h>

#include "vswitch/nft.h"

#define NFT_WORDS_MAX  128 /* tokens of one text */
#define NFT_FIELDS_MAX 5   /* fields of a concatenation */
#define NFT_VALUE_SIZE 16
#define NFT_KEY_SIZE   64
#define NFT_SETS_MAX   8 /* written out in one rule */
/* Our types of userdata entries; nft(8) passes them over. */
#define NFT_UDATA_TEXT                                                                             \
	0x56 /* of a rule, a chain's or set's definition, an element; a table's flags */
#define NFT_UDATA_INDEX 0x57 /* a rule's place in the document, 2 bytes, big endian */
#define NFT_NAME_LEN	NFT_NAME_MAXLEN

struct nftnl_rule;
struct nftnl_expr;

/* ---- nft_lex.c: words of a text ---- */

struct nft_word {
	const char *text; /* punctuation is a word of its own */
	uint16_t at;	  /* where it stood */
	bool is_quoted;
};

struct nft_lex {
	char arena[2 * NFT_RULE_LEN + 2];
	struct nft_word words[NFT_WORDS_MAX + 1]; /* behind the last: "" */
	size_t nr, pos;
};

/* -EINVAL with @why: too long, an open quote, a character that no text has. */
int nft_lex(const char *text, struct nft_lex *lex, char *why);
/* The next word; "" at the end. */
const char *nft_peek(const struct nft_lex *lex);
/* Step over it when it is @word. */
bool nft_take(struct nft_lex *lex, const char *word);
/* How many words from here on are @words, joined by blanks; 0: it is something else. */
size_t nft_words_match(const struct nft_lex *lex, const char *words);

/* ---- nft_type.c: types and values ---- */

enum nft_type_id {
	NFT_T_INT, /* big endian, of its field's size */
	NFT_T_ETHER,
	NFT_T_ETHERTYPE,
	NFT_T_ARPOP,
	NFT_T_IPV4,
	NFT_T_IPV6,
	NFT_T_PROTO,
	NFT_T_PORT,
	NFT_T_ICMP,
	NFT_T_ICMP6,
	NFT_T_NFPROTO,
	NFT_T_PKTTYPE,
	NFT_T_IFNAME,
	NFT_T_MARK,
	NFT_T_LENGTH,
	NFT_T_CT_STATE,
	NFT_T_CT_STATUS,
	NFT_T_CT_DIR,
	NFT_T_ADDRTYPE,
	NFT_T_BOOL,
	NFT_T_VERDICT,
	NFT_T_NR,
};

struct nft_symbol {
	const char *name;
	uint32_t value;
};

struct nft_type {
	const char *name; /* as in a set's "type" */
	uint8_t size;	  /* 0: of its field */
	uint8_t id;	  /* nft(8)'s number, for its listing */
	bool is_host;	  /* host byte order */
	bool is_bits;	  /* words joined by commas; matches when one of them is set */
	const struct nft_symbol *symbols;
};

extern const struct nft_type nft_types[NFT_T_NR];

struct nft_value {
	uint8_t from[NFT_VALUE_SIZE], to[NFT_VALUE_SIZE];
	uint8_t size; /* compared; less than its field's: a name's beginning */
	bool is_range;
	int prefix_len; /* -1: not written as a prefix */
};

/* -1: no such type. */
int nft_type_find(const char *name);
/* @size: of the field. Return: false: not a value of that type. */
bool nft_value_parse(enum nft_type_id type, size_t size, const char *text, struct nft_value *v);

/* ---- nft_set.c: sets, named or written out in a rule ---- */

struct nft_key {
	size_t nr;
	uint8_t types[NFT_FIELDS_MAX], sizes[NFT_FIELDS_MAX];
};

struct nft_elem {
	uint8_t key[NFT_KEY_SIZE], end[NFT_KEY_SIZE];
	bool is_range;
	uint8_t data[NFT_KEY_SIZE]; /* a map's */
	int verdict;		    /* a verdict map's, NF_* or NFT_* */
	char chain[NFT_NAME_LEN];
	const char *text; /* of a named set; borrowed */
};

struct nft_set {
	char name[NFT_NAME_LEN];
	uint32_t id; /* within the batch */
	bool is_map, is_interval, is_dynamic, is_anonymous;
	struct nft_key key, data;
	struct nft_elem *elems;
	size_t nr;
	char definition[NFT_RULE_LEN]; /* of a named set, without its elements */
};

size_t nft_key_size(const struct nft_key *key);
/* "ipv4_addr . inet_service". -EINVAL. */
int nft_key_parse(const char *text, struct nft_key *key, char *why);
/* A named set's definition; elements follow by nft_set_add(). */
int nft_set_from_json(const json_t *json, struct nft_set *set, char *why);
/* @text: "a . b", "a . b : data" */
int nft_set_add(struct nft_set *set, const char *text, char *why);
/* An element at @lex up to "," or "}". */
int nft_set_add_words(struct nft_set *set, struct nft_lex *lex, char *why);
/* Once all are added: intervals that overlap are refused. */
int nft_set_finish(struct nft_set *set, char *why);
void nft_set_fini(struct nft_set *set);

/* ---- nft_rule.c and those that it calls ---- */

struct nft_scope {
	uint8_t family;	 /* NFPROTO_* */
	bool is_ingress; /* in a base chain of that hook: the link's type can be asked */
	const struct nft_set *sets;
	size_t nr_sets;
	const json_t *chains; /* NULL: any chain may be named */
	uint32_t *set_id;     /* the last one given */
};

/* A rule that is being compiled. What is known of the packet saves asking twice. */
struct nft_build {
	const struct nft_scope *scope;
	struct nft_lex lex;
	struct nftnl_rule *rule;
	struct nft_set sets[NFT_SETS_MAX];
	size_t nr_sets;
	uint16_t l3; /* EtherType, host order; 0: not known */
	int l4;	     /* -1: not known */
	bool is_ether, is_tagged;
	bool is_nomem;
	char *why;
};

struct nft_field {
	const char *words;
	uint8_t kind; /* enum nft_field_kind */
	uint8_t base; /* payload base, or extension header */
	uint16_t at;  /* bits into it, or the key */
	uint8_t bits;
	uint8_t type, dep;
};

/* Each adds expressions to the rule. -EINVAL with why: contradiction, not in this family. */
int nft_fail(struct nft_build *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct nftnl_expr *nft_expr(struct nft_build *b, const char *name);
int nft_dependency(struct nft_build *b, uint8_t dep);
/* The field at the lexer, stepped over; *@raw is filled for one written as @base,bits,bits. NULL: none. */
const struct nft_field *nft_field_take(struct nft_build *b, struct nft_field *raw);
size_t nft_field_size(const struct nft_field *f);
/* How far a value is shifted to stand as in the packet. */
unsigned int nft_field_shift(const struct nft_field *f);
/* The field alone into @reg, with bits that are not its own cleared. */
void nft_field_load(struct nft_build *b, const struct nft_field *f, uint32_t reg);
void nft_emit_cmp(struct nft_build *b, uint32_t op, const void *data, size_t size);
void nft_emit_mask(struct nft_build *b, const void *mask, size_t size);
void nft_emit_immediate(struct nft_build *b, uint32_t reg, const void *data, size_t size);
void nft_emit_verdict(struct nft_build *b, int verdict, const char *chain);
/* The verdict at the lexer. Return: 1 taken; 0 none; -EINVAL. */
int nft_verdict_take(struct nft_lex *lex, int *verdict, char chain[NFT_NAME_LEN], char *why);

bool nft_has_chain(const struct nft_scope *scope, const char *name);

/* A comparison at the lexer. Return: 1 compiled; 0 none begins here; -errno. */
int nft_match(struct nft_build *b);
/* A statement. As nft_match(). */
int nft_stmt(struct nft_build *b);
int nft_stmt_add(struct nft_build *b);
int nft_stmt_masquerade(struct nft_build *b);
int nft_stmt_redirect(struct nft_build *b);
int nft_stmt_snat(struct nft_build *b);
int nft_stmt_dnat(struct nft_build *b);
/* Fields of one key, their dependencies and loads. Return: as nft_match(). */
int nft_key_take(struct nft_build *b, struct nft_key *key, const struct nft_field **single,
		 struct nft_field *raw);
/* "{ ... }" or "@name" at the lexer: a lookup of @key. @data: what a map must give; NULL: a set. */
int nft_lookup(struct nft_build *b, const struct nft_key *key, const struct nft_key *data,
	       bool is_inverted);

/**
 * nft_rule_compile() - A rule's text to expressions
 * @b:	Zeroed but scope and why; nft_build_fini() by the caller in any case
 * Return: 0; -EINVAL: see why; -ENOMEM.
 */
int nft_rule_compile(struct nft_build *b, const char *text);
void nft_build_fini(struct nft_build *b);

/* ---- nft_doc.c: a table ---- */

/* "netdev vifrost-vif1.0" taken apart. -EINVAL: not one of ours. */
int nft_name_parse(const char *name, uint8_t *family, const char **table);
const char *nft_family_name(uint8_t family); /* NULL: not one that we use */

/* -1: none of that name. @device: NULL unless of family netdev. */
int nft_hook_number(const char *hook, const char *device);
const char *nft_hook_name(uint8_t family, int number);

size_t nft_chain_definition(const json_t *chain, char text[NFT_RULE_LEN]);

struct nft_batch;

/* Compile @doc and add what makes the table anew. @batch NULL: only compile. */
int nft_doc_build(const char *name, const json_t *doc, struct nft_batch *batch, char *why);

/* ---- nft_batch.c: messages of one transaction ---- */

struct nft_batch {
	uint8_t *buf;
	size_t size, room;
	uint32_t seq;	 /* of the last message */
	uint32_t set_id; /* the last one given */
	bool is_nomem;
	const char *what, *text; /* what the next messages are of: "rule", its text; borrowed */
	struct nft_said {
		uint32_t seq;
		const char *what, *text;
	} * said;
	size_t nr_said;
};

#define NFT_TABLE_INLINE 1 /* rules stand in their chains */
#define NFT_TABLE_SETS	 2 /* the document has "sets", be it empty */

/* What goes with a rule. */
struct nft_words {
	const char *chain, *text, *comment; /* comment NULL: none */
	const char *whole;		    /* as in the document, for messages */
	int index;			    /* -1: it follows from the chain's order */
};

void nft_batch_begin(struct nft_batch *batch, uint32_t seq);
/* -ENOMEM: some of it did not fit. */
int nft_batch_end(struct nft_batch *batch);
void nft_batch_fini(struct nft_batch *batch);
/* @flags: NFT_TABLE_* */
void nft_put_table(struct nft_batch *batch, uint8_t family, const char *table, uint8_t flags);
void nft_del_table(struct nft_batch *batch, uint8_t family, const char *table);
void nft_del_chain(struct nft_batch *batch, uint8_t family, const char *table, const char *name);
void nft_put_chain(struct nft_batch *batch, uint8_t family, const char *table, const json_t *chain);
void nft_put_set(struct nft_batch *batch, uint8_t family, const char *table,
		 const struct nft_set *set);
/* Or take them out again. */
void nft_put_elems(struct nft_batch *batch, uint8_t family, const char *table,
		   const struct nft_set *set, bool is_delete);
void nft_put_rule(struct nft_batch *batch, uint8_t family, const char *table,
		  struct nftnl_rule *rule, const struct nft_words *words);

/* ---- nft.c: the socket ---- */

struct mnl_socket;
struct nlmsghdr;

struct nft {
	struct mnl_socket *nl;
	uint32_t portid, seq;
	uint32_t sent_room; /* of the socket's send buffer */
	json_t *docs;	    /* as of @generation, by name; NULL: unknown */
	json_t *shared;	    /* guard_shared_doc() */
	uint32_t generation;
	char *answer; /* room for one */
};

int nft_open(struct nft **nft_out);
/* NULL is allowed. */
void nft_close(struct nft *n);
/* As struct vs_doc_ops. */
#define ANSWER_SIZE (128 * 1024) /* room at n->answer */
int nft_apply(struct nft *n, const char *name, const json_t *doc, char *why);
/* Several of different names; guards together, as one. */
int nft_apply_many(struct nft *n, const struct vs_op *const *ops, size_t nr, char *why);
int nft_get(struct nft *n, const char *name, json_t **doc);

/* A question: @fn gets each answer's message. -EINTR: the dump is torn. */
int nft_ask(struct nft *n, uint16_t type, uint8_t family, uint16_t flags,
	    void (*fill)(struct nlmsghdr *nlh, const void *arg), const void *arg,
	    int (*fn)(const struct nlmsghdr *nlh, void *data), void *data);
int nft_generation(struct nft *n, uint32_t *generation);
/* nft_send.c: all of @batch is done, or nothing: then @why says in which line of ours. */
int nft_send(struct nft *n, const struct nft_batch *batch, char *why);

/* nft_update.c. -EAGAIN: more than elements of sets must change. */
int nft_update_build(const char *name, const json_t *have, const json_t *want,
		     struct nft_batch *batch, char *why);

struct guard_count;

/* nft_count.c */
int nft_counts(struct nft *n, void (*fn)(void *arg, const struct guard_count *count), void *arg);

/* ---- nft_guard.c: guards, that share a table ---- */

/* The link of a guard's document; NULL: it is another's. */
const char *nft_guard_link(const char *name);
/* In @docs the one table becomes a document for each guard, and what they share. -ENOMEM. */
int nft_guard_split(json_t *docs);
/* Whether there is no other guard than @name's. */
bool nft_guard_is_last(const json_t *docs, const char *name);
/* Whether the chains of one guard, of all that @docs tells of, are in the kernel. */
int nft_guard_is_there(struct nft *n, const char *link, bool *is_there);
int nft_guard_all_there(struct nft *n, const json_t *docs, bool *are_there);
/* Whether its rules are such as can be compiled. */
bool nft_guard_check(const json_t *doc);
/* The link's counters go, @sets of them. */
int nft_guard_uncount(const char *link, const char *const *sets, size_t nr, const json_t *shared,
		      struct nft_batch *batch, char *why);
/* @docs: what is there; @doc NULL: to be taken away. */
int nft_guard_build(const char *name, const json_t *docs, const json_t *doc, const json_t *shared,
		    struct nft_batch *batch, char *why);

/* ---- nft_observe.c: documents as the kernel has them ---- */

/* All of ours, by name. *@docs_out NULL on error. */
int nft_dump(struct nft *n, json_t **docs_out);
/* The entry of a type in userdata; NULL: none. */
const uint8_t *nft_udata_find(const uint8_t *data, size_t size, uint8_t type, size_t *len);

#endif
