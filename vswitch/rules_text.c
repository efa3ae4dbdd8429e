/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/rules_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#define COMMENT_LEN 56

void rules_begin(struct rules_doc *d, const struct vs_wanted *w)
{
	*d = (struct rules_doc){
		.wanted = w, .chains = json_array(), .sets = json_array(), .rules = json_array()
	};
	if (!d->chains || !d->sets || !d->rules)
		d->rc = -ENOMEM;
}

/* Whether @ref stands in a rule as a word. */
static bool is_used(const struct rules_doc *d, const char *ref)
{
	size_t i, len = strlen(ref);
	const json_t *rule;

	json_array_foreach (d->rules, i, rule) {
		const char *at = json_string_value(json_object_get(rule, "rule"));

		while ((at = strstr(at, ref))) {
			at += len;
			if (!*at || *at == ' ')
				return true;
		}
	}
	return false;
}

/* Sets are made while it is found out whether a rule can match at all. */
static void drop_unused(struct rules_doc *d)
{
	char ref[RULES_REF_LEN];

	for (size_t i = json_array_size(d->sets); i-- > 0;) {
		snprintf(ref, sizeof(ref), "@%s",
			 json_string_value(json_object_get(json_array_get(d->sets, i), "name")));
		if (!is_used(d, ref))
			json_array_remove(d->sets, i);
	}
}

json_t *rules_end(struct rules_doc *d)
{
	json_t *doc = NULL;

	if (!d->rc) {
		drop_unused(d);
		doc = json_pack("{sOsOsO}", "chains", d->chains, "sets", d->sets, "rules",
				d->rules);
		if (!doc)
			d->rc = -ENOMEM;
	}
	json_decref(d->chains);
	json_decref(d->sets);
	json_decref(d->rules);
	d->chains = d->sets = d->rules = NULL;
	return doc;
}

void rules_append(struct rules_doc *d, json_t *list, json_t *item)
{
	if (d->rc)
		json_decref(item);
	else if (!item || json_array_append_new(list, item))
		d->rc = -ENOMEM;
}

void rules_chain(struct rules_doc *d, const char *name, const char *type, const char *hook,
		 int priority)
{
	rules_append(d, d->chains,
		     hook ? json_pack("{sssssssiss}", "name", name, "type", type, "hook", hook,
				      "priority", priority, "policy", "accept")
			  : json_pack("{ss}", "name", name));
}

/* Quotes end a comment; names of the policy have none, files may. */
static void make_comment(const char *name, const struct diag_place *place, char text[COMMENT_LEN])
{
	const char *file = place && place->file ? place->file : "";
	const char *base = strrchr(file, '/');

	base = base ? base + 1 : file;
	if (*base)
		snprintf(text, COMMENT_LEN, "%.30s %.16s:%d", name, base, place->line);
	else
		snprintf(text, COMMENT_LEN, "%.30s", name);
	for (char *c = text; *c; c++)
		if (*c == '"' || *c < ' ' || *c > '~')
			*c = '?';
}

__attribute__((format(printf, 5, 0))) static json_t *make_rule(struct rules_doc *d,
							       const char *chain, const char *name,
							       const struct diag_place *place,
							       const char *format, va_list args)
{
	char text[RULES_TEXT_LEN], comment[COMMENT_LEN];
	int len = vsnprintf(text, sizeof(text), format, args);

	if (len < 0 || (size_t)len >= sizeof(text)) {
		d->rc = d->rc ? d->rc : -EMSGSIZE;
		return NULL;
	}
	if (!name)
		return json_pack("{ssss}", "chain", chain, "rule", text);
	make_comment(name, place, comment);
	return json_pack("{ssssss}", "chain", chain, "rule", text, "comment", comment);
}

void rules_add(struct rules_doc *d, const char *chain, const char *name,
	       const struct diag_place *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	rules_append(d, d->rules, make_rule(d, chain, name, place, format, args));
	va_end(args);
}

void rules_add_first(struct rules_doc *d, const char *chain, const char *name, const char *format,
		     ...)
{
	va_list args;
	json_t *rule;

	va_start(args, format);
	rule = make_rule(d, chain, name, NULL, format, args);
	va_end(args);
	if (json_array_insert_new(d->rules, 0, rule))
		d->rc = d->rc ? d->rc : -ENOMEM;
}

/* ---- Networks ---- */

static bool is_mode(const struct vs_network *n, const char *mode)
{
	return n->mode && !strcmp(vs_mode_plain(n->mode)->name, mode);
}

bool rules_is_by_address(const struct vs_network *n)
{
	return n->is_per_guest;
}

bool rules_is_device(const struct vs_network *n)
{
	return (n->nr_subnets || is_mode(n, "nat") || is_mode(n, "isolated")) && !n->has_uplink &&
	       !rules_is_by_address(n);
}

bool rules_is_segment(const struct vs_network *n)
{
	return !rules_is_device(n) && !rules_is_by_address(n);
}

bool rules_is_isolated(const struct vs_network *n)
{
	return is_mode(n, "isolated");
}

bool rules_is_translated(const struct vs_network *n, int family)
{
	if (!is_mode(n, "nat") && !n->masquerade)
		return false;
	for (size_t i = 0; i < n->nr_subnets; i++)
		if (n->subnets[i].prefix.family == family &&
		    (family == AF_INET || n->subnets[i].nat66))
			return true;
	return false;
}

/* ---- Words ---- */

const char *rules_word(int family)
{
	return family == AF_INET ? "ip" : "ip6";
}

void rules_prefix_text(const struct vs_prefix *p, char text[64])
{
	char address[INET6_ADDRSTRLEN];
	int full = p->family == AF_INET ? 32 : 128;

	if (!inet_ntop(p->family, p->address, address, sizeof(address)))
		address[0] = '\0';
	if (p->len < full)
		snprintf(text, 64, "%s/%u", address, p->len);
	else
		snprintf(text, 64, "%s", address);
}

void rules_short_name(const char *name, char out[RULES_NAME_LEN])
{
	uint32_t hash = 2166136261u;

	if (strlen(name) < RULES_NAME_LEN) {
		strcpy(out, name);
		return;
	}
	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	snprintf(out, RULES_NAME_LEN, "%.15s-%08x", name, hash);
}

bool rules_covers(const struct vs_prefix *a, const struct vs_prefix *b)
{
	unsigned int bytes = a->len / 8, bits = a->len % 8;
	uint8_t mask = (uint8_t)(0xff00u >> bits);

	return a->family == b->family && a->len <= b->len &&
	       !memcmp(a->address, b->address, bytes) &&
	       (!bits || !((a->address[bytes] ^ b->address[bytes]) & mask));
}
