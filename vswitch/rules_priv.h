/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host-wide nftables documents (vswitch/nft.h), made of struct vs_wanted alone: what they say of guests
 * comes from the policy's address list, so that starting and stopping guests changes none of them.
 *
 *	rules_text.c	a document in the making; the sets and matches that peers are
 *	rules_nat.c	"inet vifrost-nat": masquerade, fixed source addresses, forwards
 *	rules_filter.c	"inet vifrost-filter": what the host routes, and what guests say to the host
 *	rules_host.c	in that, who reaches the host's own services
 *	rules_bridge.c	"bridge vifrost-filter": what ports of one bridge say to each other
 */
#ifndef VSWITCH_RULES_PRIV_H
#define VSWITCH_RULES_PRIV_H

#include "vswitch/plan_priv.h"

#define RULES_NAT    "inet vifrost-nat"
#define RULES_FILTER "inet vifrost-filter"
#define RULES_BRIDGE "bridge vifrost-filter"

#define RULES_DEVICES_MAX 2
#define RULES_VIF_LINKS	  "\"vif*\"" /* by their names: of those that no bridge holds */

#define RULES_TEXT_LEN 200 /* of a rule, without its comment */
#define RULES_NAME_LEN 25  /* of what is part of a set's name */
#define RULES_REF_LEN  64  /* "@net.<name>.4", an address */

/* A document in the making. The first error stays; after it nothing is added. */
struct rules_doc {
	const struct vs_wanted *wanted;
	json_t *chains, *sets, *rules;
	uint32_t
		mark; /* of connections that these rules let pass; with bit 0 set, that they refused */
	int rc;
};

void rules_begin(struct rules_doc *d, const struct vs_wanted *w);
/* The document, a reference of the caller's; NULL: see d->rc. */
json_t *rules_end(struct rules_doc *d);

/* @hook NULL: one that others jump to. */
void rules_chain(struct rules_doc *d, const char *name, const char *type, const char *hook,
		 int priority);
/* @name: whose rule it is, with its line, as comment; NULL: none. */
void rules_add(struct rules_doc *d, const char *chain, const char *name,
	       const struct diag_place *place, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* As rules_add(), before all other rules of the chain. */
void rules_add_first(struct rules_doc *d, const char *chain, const char *name, const char *format,
		     ...) __attribute__((format(printf, 4, 5)));

/* @item is taken, at the end of one of @d's lists; NULL: out of memory. */
void rules_append(struct rules_doc *d, json_t *list, json_t *item);

/* ---- What kind of network it is ---- */

/* The host routes for it and its guests are behind a device of its name. */
bool rules_is_device(const struct vs_network *n);
/* The host routes for it, each guest behind a link of its own: told by addresses. */
bool rules_is_by_address(const struct vs_network *n);
/* A segment that reaches beyond the host; the host does not route for its guests. */
bool rules_is_segment(const struct vs_network *n);
bool rules_is_isolated(const struct vs_network *n);
/* Whether what leaves gets another source address. */
bool rules_is_translated(const struct vs_network *n, int family);

/* ---- rules_sets.c: each is added to the document when it is first asked for ---- */

/*
 * References "@..." for a rule. Return: false: that set would be empty, and nothing can match it.
 * @family: AF_INET, AF_INET6.
 */
bool rules_set_network(struct rules_doc *d, const struct vs_network *n, int family,
		       char ref[RULES_REF_LEN]);
/* Addresses of guests of networks that are routed by address; and besides, those on segments. */
bool rules_set_routed(struct rules_doc *d, int family, char ref[RULES_REF_LEN]);
bool rules_set_guests(struct rules_doc *d, int family, char ref[RULES_REF_LEN]);
/*
 * What a guest's packets come in and go out by, of the networks for which @want says yes: the set
 * @name of devices, and links of guests themselves. Return: how many of @refs there are.
 */
size_t rules_devices(struct rules_doc *d, const char *name,
		     bool (*want)(const struct vs_network *n),
		     char refs[RULES_DEVICES_MAX][RULES_REF_LEN]);
bool rules_any_network(const struct vs_network *n);
/* Addresses of a tag, an address set, a guest. */
bool rules_set_peer(struct rules_doc *d, const struct vs_peer *peer, int family,
		    char ref[RULES_REF_LEN]);
/* All sets so far, without what names stand for now. A reference of the caller's; NULL: out of memory. */
json_t *rules_fixed_sets(struct rules_doc *d);
void rules_set_ports(struct rules_doc *d, const struct vs_rule *rule, char ref[RULES_REF_LEN]);

/* "@management.4", "@services.tcp": of host.management. */
bool rules_set_allowed(struct rules_doc *d, int family, char ref[RULES_REF_LEN]);
bool rules_set_services(struct rules_doc *d, uint8_t protocol, char ref[RULES_REF_LEN]);
/* "@dev.all": devices of all networks. */
void rules_set_all_devices(struct rules_doc *d, char ref[RULES_REF_LEN]);

/* "ip" or "ip6": the word before saddr. */
const char *rules_word(int family);
/* "192.0.2.0/24", "192.0.2.1" */
void rules_prefix_text(const struct vs_prefix *p, char text[64]);
/* @name as part of a set's name: long ones are cut and made unique by a hash. */
void rules_short_name(const char *name, char out[RULES_NAME_LEN]);

/* Whether @b lies in @a. */
bool rules_covers(const struct vs_prefix *a, const struct vs_prefix *b);

/* ---- Peers as matches ---- */

enum rules_hook {
	RULES_FORWARD, /* between networks, through the host */
	RULES_INPUT,   /* to the host */
	RULES_OUTPUT,  /* from the host */
};

/* Where matches are for: the table for routed traffic, or the one for a bridge's ports. */
struct rules_where {
	enum rules_hook hook;
	const struct vs_network *bridge; /* whose ports; NULL: routed traffic */
};

/* One way to match a peer: "ip saddr @tag.web.4 ". family 0: of any. */
struct rules_match {
	char text[80];
	int family;
};

#define RULES_MATCHES_MAX 2

/* Return: how many ways there are; 0: it can't be that peer there. */
size_t rules_peer(struct rules_doc *d, const struct rules_where *where, const struct vs_peer *peer,
		  bool is_from, struct rules_match out[RULES_MATCHES_MAX]);

/* ---- rules_policy.c: the named rules in one chain ---- */

void rules_add_policy(struct rules_doc *d, const char *chain, const struct rules_where *where);
/* What is left in @chain, of one device when @word ("iifname") is given. @name: as in the policy. */
void rules_add_default(struct rules_doc *d, const char *chain, const char *name,
		       enum vs_verdict verdict, const char *word, const char *device);
/*
 * When all rules are there: where accepted, dropped and rejected packets go; then how those of @chains
 * begin that see packets of connections.
 */
void rules_begin_verdicts(struct rules_doc *d, bool is_bridge);
void rules_add_seen(struct rules_doc *d, const char *const *chains, size_t nr);
/* Whether any packet there can be one of @r. */
bool rules_reach(struct rules_doc *d, const struct rules_where *where, const struct vs_rule *r);

/* ---- rules_host.c: host.management ---- */

/* Those that may reach the host's services, of all packets for which @match ("", "iifname ... ") holds. */
void rules_add_allowed(struct rules_doc *d, const char *chain, const char *match);
/* And that nobody else does by any network. */
void rules_add_management(struct rules_doc *d, const char *chain);

/* ---- Documents. NULL with *rc 0: none is needed ---- */

json_t *rules_nat(const struct vs_wanted *w, int *rc);
/* @closed: names of networks about to go, nothing passes to or from them any more. */
json_t *rules_filter(const struct vs_wanted *w, const char (*closed)[IFNAMSIZ], size_t nr_closed,
		     int *rc);

/* @uplinks: names of the networks' uplinks as they are called here, in their order; "": none. */
json_t *rules_bridge(const struct vs_wanted *w, const char (*uplinks)[IFNAMSIZ], int *rc);

/* What the firewall makes of a bridge's ports among themselves. */
enum rules_ports {
	RULES_PORTS_OPEN,
	RULES_PORTS_CLOSED,   /* nothing passes between guests */
	RULES_PORTS_FILTERED, /* by the connection */
};

enum rules_ports rules_ports(const struct vs_wanted *w, const struct vs_network *n);
/* Filtered, by flows of Open vSwitch: ovs_rules.h. */
bool rules_is_flows(const struct vs_wanted *w, const struct vs_network *n);

#endif
