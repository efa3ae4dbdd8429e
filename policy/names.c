/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "policy/policy.h"
#include "vswitch/array.h"

#define RETRY_MIN_S 5
#define MS	    1000u

static const int families[NAMES_FAMILIES] = { AF_INET, AF_INET6 };

static size_t size_of(int family)
{
	return family == AF_INET ? 4 : 16;
}

bool name_may_have(int family, const uint8_t *address)
{
	static const struct {
		int family;
		uint8_t len, net[16];
	} never[] = {
		{ AF_INET, 8, { 0 } },
		{ AF_INET, 8, { 127 } },
		{ AF_INET, 16, { 169, 254 } },
		{ AF_INET, 3, { 224 } }, /* multicast, reserved, broadcast */
		{ AF_INET6, 80, { 0 } }, /* ::, ::1, IPv4's */
		{ AF_INET6, 10, { 0xfe, 0x80 } },
		{ AF_INET6, 8, { 0xff } },
	};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		size_t bytes = never[i].len / 8;
		uint8_t mask = (uint8_t)(0xff00u >> never[i].len % 8);

		if (never[i].family == family && !memcmp(address, never[i].net, bytes) &&
		    !((address[bytes] ^ never[i].net[bytes]) & mask))
			return false;
	}
	return true;
}

const char *name_error_text(int rc)
{
	switch (rc) {
	case 0:
		return "it has no address that may be used";
	case -ENOENT:
		return "there is no such name";
	case -EINPROGRESS:
		return "not answered yet";
	case -EAGAIN:
		return "no DNS server answers it";
	default:
		return strerror(-rc);
	}
}

/* ---- Which names there are ---- */

void names_fini(struct names *names)
{
	for (size_t i = 0; i < names->nr; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct names){ 0 };
}

struct name *names_find(const struct names *names, const char *text)
{
	for (size_t i = 0; i < names->nr; i++)
		if (!strcmp(names->v[i]->text, text))
			return names->v[i];
	return NULL;
}

static struct name *add(struct names *names, const char *text)
{
	struct name *name = names_find(names, text), **at;

	if (name)
		return name;
	name = calloc(1, sizeof(*name));
	at = name ? array_add(&names->v, &names->nr, sizeof(*names->v)) : NULL;
	if (!at) {
		free(name);
		return NULL;
	}
	snprintf(name->text, sizeof(name->text), "%s", text);
	name->rc = -EINPROGRESS;
	*at = name;
	return name;
}

int names_follow(struct names *names, const struct vs_wanted *w, uint64_t now_ms)
{
	for (size_t i = 0; i < names->nr; i++)
		names->v[i]->is_used = false;
	for (size_t i = 0; i < w->nr_sets; i++)
		for (size_t k = 0; k < w->sets[i].nr_fqdns; k++) {
			struct name *name = add(names, w->sets[i].fqdns[k]);

			if (!name)
				return -ENOMEM;
			name->is_used = true;
			if (!name->next_ms)
				name->next_ms = now_ms;
		}
	return 0;
}

void names_drop_unused(struct names *names)
{
	for (size_t i = names->nr; i-- > 0;)
		if (!names->v[i]->is_used && !names->v[i]->is_asked) {
			free(names->v[i]);
			array_remove(names->v, &names->nr, sizeof(*names->v), i);
		}
}

struct name *names_next(const struct names *names)
{
	struct name *first = NULL;

	for (size_t i = 0; i < names->nr; i++) {
		struct name *name = names->v[i];

		if (name->is_used && !name->is_asked && (!first || name->next_ms < first->next_ms))
			first = name;
	}
	return first;
}

/* ---- Answers ---- */

static uint32_t bounded_ttl(uint32_t ttl_s)
{
	return ttl_s < NAMES_TTL_MIN_S	 ? NAMES_TTL_MIN_S
	       : ttl_s > NAMES_TTL_MAX_S ? NAMES_TTL_MAX_S
					 : ttl_s;
}

static bool has_kept(const struct name *name, int k, const uint8_t *address)
{
	for (size_t i = 0; i < name->family[k].nr; i++)
		if (!memcmp(name->family[k].v[i].address, address, size_of(families[k])))
			return true;
	return false;
}

static void keep(struct name *name, int k, const uint8_t *address, uint64_t until_ms)
{
	struct name_addr *to = &name->family[k].v[name->family[k].nr];

	if (name->family[k].nr == NAMES_ADDRS_MAX || has_kept(name, k, address))
		return;
	*to = (struct name_addr){ .until_ms = until_ms };
	memcpy(to->address, address, size_of(families[k]));
	name->family[k].nr++;
}

/* The answer's addresses, and behind them those of older ones that hold on. Return: whether they differ. */
static bool take_addrs(struct name *name, int k, const struct name_answer *a, uint64_t now_ms)
{
	struct name_addr old[NAMES_ADDRS_MAX];
	size_t nr_old = name->family[k].nr, nr_same = 0;

	memcpy(old, name->family[k].v, sizeof(old));
	name->family[k].nr = 0;
	for (size_t i = 0; i < a->nr; i++)
		keep(name, k, a->v[i], now_ms + (uint64_t)bounded_ttl(a->ttl_s) * MS);
	for (size_t i = 0; i < nr_old; i++)
		if (old[i].until_ms > now_ms)
			keep(name, k, old[i].address, old[i].until_ms);
	for (size_t i = 0; i < nr_old; i++)
		nr_same += has_kept(name, k, old[i].address);
	return nr_same != nr_old || name->family[k].nr != nr_old;
}

/* Return: whether its time of grace is over, and there was something to lose. */
static bool fail(struct name *name, int k, bool is_gone, uint64_t now_ms)
{
	uint64_t grace_s = is_gone ? NAMES_GRACE_GONE_S : NAMES_GRACE_SILENT_S;
	bool had_any = name->family[k].nr;

	if (!name->family[k].failing_ms)
		name->family[k].failing_ms = now_ms ? now_ms : 1;
	if (now_ms - name->family[k].failing_ms < grace_s * MS)
		return false;
	name->family[k].nr = 0;
	return had_any;
}

static uint64_t retry_ms(unsigned int nr_failed)
{
	uint64_t s = (uint64_t)RETRY_MIN_S << (nr_failed < 8 ? nr_failed : 8);

	return (s < NAMES_RETRY_MAX_S ? s : NAMES_RETRY_MAX_S) * MS;
}

/* 0: it has addresses; else the worst of what was said. */
static int outcome(const struct name_answers *answers)
{
	int rc = 0;

	for (int k = 0; k < NAMES_FAMILIES; k++) {
		const struct name_answer *a = &answers->family[k];

		if (!a->rc && a->nr)
			return 0;
		if (a->rc && a->rc != -ENOENT)
			rc = a->rc;
	}
	return rc ? rc : -ENOENT;
}

bool name_take(struct name *name, const struct name_answers *answers, uint64_t now_ms)
{
	int rc = outcome(answers);
	bool is_gone = rc == -ENOENT, is_changed = false, is_silent = false;
	uint32_t ttl_s = NAMES_TTL_MAX_S;
	uint64_t next_ms;

	name->nr_refused = name->nr_over = 0;
	for (int k = 0; k < NAMES_FAMILIES; k++) {
		const struct name_answer *a = &answers->family[k];

		name->nr_refused += a->nr_refused;
		name->nr_over += a->nr_over;
		if (rc || (a->rc && a->rc != -ENOENT)) {
			is_silent = true;
			is_changed |= fail(name, k, is_gone, now_ms);
			continue;
		}
		name->family[k].failing_ms = 0;
		is_changed |= take_addrs(name, k, a, now_ms);
		if (a->nr && bounded_ttl(a->ttl_s) < ttl_s)
			ttl_s = bounded_ttl(a->ttl_s);
	}
	next_ms = (uint64_t)ttl_s * MS;
	if (is_silent && (rc || retry_ms(name->nr_failed) < next_ms))
		next_ms = retry_ms(name->nr_failed);
	name->nr_failed = is_silent ? name->nr_failed + 1 : 0;
	name->next_ms = now_ms + next_ms;
	name->rc = rc;
	return is_changed;
}

int names_fill(const struct names *names, struct vs_wanted *w)
{
	for (size_t i = 0; i < w->nr_sets; i++) {
		struct vs_address_set *s = &w->sets[i];

		s->nr_found = 0;
		for (size_t n = 0; n < s->nr_fqdns * NAMES_FAMILIES; n++) {
			const struct name *name = names_find(names, s->fqdns[n / NAMES_FAMILIES]);
			size_t k = n % NAMES_FAMILIES;

			for (size_t j = 0; name && j < name->family[k].nr; j++) {
				struct vs_prefix *p = array_add(&s->found, &s->nr_found,
								sizeof(*p));

				if (!p)
					return -ENOMEM;
				p->family = (uint8_t)families[k];
				p->len = (uint8_t)(size_of(families[k]) * 8);
				memcpy(p->address, name->family[k].v[j].address,
				       sizeof(p->address));
			}
		}
	}
	return 0;
}

/* ---- As JSON ---- */

static json_t *addresses_json(const struct name *name)
{
	json_t *list = json_array();
	char text[INET6_ADDRSTRLEN];

	for (int k = 0; list && k < NAMES_FAMILIES; k++)
		for (size_t i = 0; i < name->family[k].nr; i++) {
			inet_ntop(families[k], name->family[k].v[i].address, text, sizeof(text));
			if (json_array_append_new(list, json_string(text))) {
				json_decref(list);
				return NULL;
			}
		}
	return list;
}

json_t *names_json(const struct names *names)
{
	json_t *all = json_object();

	for (size_t i = 0; all && i < names->nr; i++)
		if (names->v[i]->is_used &&
		    json_object_set_new(all, names->v[i]->text, addresses_json(names->v[i]))) {
			json_decref(all);
			all = NULL;
		}
	return all ? json_pack("{siso}", "version", 1, "names", all) : NULL;
}

static void load_address(struct name *name, const char *text)
{
	int k = strchr(text, ':') ? 1 : 0;
	struct name_addr *to = &name->family[k].v[name->family[k].nr];

	if (name->family[k].nr == NAMES_ADDRS_MAX)
		return;
	*to = (struct name_addr){ 0 };
	if (inet_pton(families[k], text, to->address) == 1 &&
	    name_may_have(families[k], to->address))
		name->family[k].nr++;
}

int names_load(struct names *names, const json_t *json)
{
	json_t *all = json_object_get(json, "names"), *list, *one;
	const char *text;
	size_t i;

	if (json_integer_value(json_object_get(json, "version")) != 1)
		return 0;
	json_object_foreach (all, text, list) {
		struct name *name = strlen(text) < VS_FQDN_LEN && names->nr < POL_FQDNS_MAX
					    ? add(names, text)
					    : NULL;

		if (!name && strlen(text) < VS_FQDN_LEN && names->nr < POL_FQDNS_MAX)
			return -ENOMEM;
		json_array_foreach (list, i, one)
			if (name && json_is_string(one))
				load_address(name, json_string_value(one));
	}
	return 0;
}

static json_t *sets_json(const struct vs_wanted *w, const char *text)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < w->nr_sets; i++)
		for (size_t k = 0; k < w->sets[i].nr_fqdns; k++)
			if (!strcmp(w->sets[i].fqdns[k], text)) {
				json_array_append_new(list, json_string(w->sets[i].name));
				break;
			}
	return list;
}

static json_t *status_json(const struct name *name, const struct vs_wanted *w)
{
	bool has_any = name->family[0].nr || name->family[1].nr;
	int nr_refused = name->nr_refused + name->nr_over;
	const char *state = !name->rc ? "up" : has_any ? "kept" : "unresolved";

	return json_pack("{ss ss ss* so* so so}", "name", name->text, "state", state, "reason",
			 name->rc ? name_error_text(name->rc) : NULL, "refused",
			 nr_refused ? json_integer(nr_refused) : NULL, "addresses",
			 addresses_json(name), "sets", sets_json(w, name->text));
}

json_t *names_status_json(const struct names *names, const struct vs_wanted *w)
{
	json_t *all = NULL;

	for (size_t i = 0; i < names->nr; i++) {
		if (!names->v[i]->is_used)
			continue;
		all = all ? all : json_array();
		json_array_append_new(all, status_json(names->v[i], w));
	}
	return all;
}
