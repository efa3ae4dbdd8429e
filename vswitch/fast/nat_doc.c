/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translation's document, read and checked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/parse.h"
#include "vswitch/fast/nat_priv.h"

#define FLOWS_MAX (1u << 22)

static int refuse(char *why, const char *what, const char *value)
{
	snprintf(why, FAST_WHY_MAX, "nat: %s%s%.60s", what, value ? ": " : "", value ? value : "");
	return -EINVAL;
}

static int read_address(const json_t *json, uint32_t *out, char *why)
{
	const char *text = json_string_value(json);

	if (!text || inet_pton(AF_INET, text, out) != 1)
		return refuse(why, "no IPv4 address", text ? text : "?");
	return 0;
}

static int read_prefix(const json_t *json, struct nat_prefix *out, char *why)
{
	const char *text = json_string_value(json);
	char address[INET_ADDRSTRLEN] = "";
	uint32_t len = 32, raw;
	size_t size = text ? strcspn(text, "/") : 0;

	if (size && size < sizeof(address))
		memcpy(address, text, size);
	if (!text || inet_pton(AF_INET, address, &raw) != 1 ||
	    (text[size] && parse_u32(text + size + 1, 32, &len)))
		return refuse(why, "no IPv4 prefix", text ? text : "?");
	out->mask = len ? UINT32_MAX << (32 - len) : 0;
	out->address = ntohl(raw) & out->mask;
	return 0;
}

static int read_prefixes(const json_t *list, struct nat_prefix *v, unsigned int max,
			 unsigned int *nr, char *why)
{
	const json_t *item;
	size_t i;

	if (list && !json_is_array(list))
		return refuse(why, "\"from\" has to be an array of prefixes", NULL);
	json_array_foreach (list, i, item) {
		int rc = i < max ? read_prefix(item, &v[i], why)
				 : refuse(why,
					  "more than 256 prefixes of a forward, or 4096 of all",
					  NULL);

		if (rc)
			return rc;
		*nr = (unsigned int)i + 1;
	}
	return 0;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct nat_range *a = left, *b = right;

	return a->first < b->first ? -1 : a->first > b->first;
}

/* In order, and each address once: it is looked up for every flow that begins. */
static unsigned int merge_ranges(struct nat_range *v, size_t nr)
{
	unsigned int kept = 1;

	qsort(v, nr, sizeof(*v), compare_ranges);
	for (size_t i = 1; i < nr; i++) {
		struct nat_range *last = &v[kept - 1];

		if (v[i].first > last->last && v[i].first - last->last > 1)
			v[kept++] = v[i];
		else if (v[i].last > last->last)
			last->last = v[i].last;
	}
	return kept;
}

static int read_ranges(const json_t *doc, const char *key, struct nat_range **out, unsigned int *nr,
		       char *why)
{
	const json_t *list = json_object_get(doc, key), *item;
	struct nat_prefix prefix;
	size_t i, size = json_array_size(list);

	if (list && !json_is_array(list))
		return refuse(why, "it has to be an array of prefixes", key);
	if (size > NAT_RANGES_MAX)
		return refuse(why, "more than 65536 prefixes", key);
	if (!size)
		return 0;
	*out = calloc(size, sizeof(**out));
	if (!*out)
		return refuse(why, "out of memory", key);
	json_array_foreach (list, i, item) {
		int rc = read_prefix(item, &prefix, why);

		if (rc)
			return rc;
		(*out)[i] = (struct nat_range){ prefix.address, prefix.address | ~prefix.mask };
	}
	*nr = merge_ranges(*out, size);
	return 0;
}

static int read_ports(const json_t *json, uint16_t *first, uint16_t *last, char *why)
{
	json_int_t a = json_integer_value(json_array_get(json, 0)),
		   b = json_integer_value(json_array_get(json, 1));

	if (json_array_size(json) != 2 || a < 1 || b < a || b > UINT16_MAX)
		return refuse(why, "\"ports\" has to be [first, last] from 1 to 65535", NULL);
	*first = (uint16_t)a;
	*last = (uint16_t)b;
	return 0;
}

static int read_pool(struct nat_config *c, const json_t *doc, char *why)
{
	const json_t *list = json_object_get(doc, "pool"), *item;
	size_t i;
	int rc = 0;

	json_array_foreach (list, i, item) {
		struct nat_pool *p = &c->pool[i < NAT_POOL_MAX ? i : 0];
		const json_t *ports = json_object_get(item, "ports");

		if (i >= NAT_POOL_MAX)
			return refuse(why, "more than 64 addresses in \"pool\"", NULL);
		rc = read_address(json_object_get(item, "address"), &p->address, why);
		if (!rc)
			rc = read_ports(ports ? ports : json_object_get(doc, "ports"), &p->first,
					&p->last, why);
		if (rc)
			return rc;
		p->is_shared = json_is_true(json_object_get(item, "shared"));
		for (size_t k = 0; k < i; k++)
			if (c->pool[k].address == p->address)
				return refuse(why, "an address is twice in \"pool\"", NULL);
		c->nr_pool = (unsigned int)i + 1;
	}
	return json_is_array(list) ? 0 : refuse(why, "\"pool\" has to be an array", NULL);
}

/* Of forwards too, which begin with theirs. */
static int compare_ends(const void *a, const void *b)
{
	const struct nat_end *x = a, *y = b;

	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* @a before @b: whether they have the same port. */
static bool overlap(const struct nat_end *a, const struct nat_end *b)
{
	return a->protocol == b->protocol && a->address == b->address && a->last >= b->first;
}

static int read_allowed(struct nat_config *c, struct nat_forward *f, const json_t *list, char *why)
{
	unsigned int room = NAT_ALLOWED_MAX - c->nr_allowed, nr = 0;
	int rc = read_prefixes(list, &c->allowed[c->nr_allowed],
			       room < NAT_PREFIXES_MAX ? room : NAT_PREFIXES_MAX, &nr, why);

	f->is_for_any = !list;
	f->allowed = (uint16_t)c->nr_allowed;
	f->nr_allowed = (uint16_t)nr;
	c->nr_allowed += nr;
	return rc;
}

/* All but at which address. */
static int read_forward(struct nat_config *c, struct nat_forward *f, const json_t *json, char *why)
{
	json_int_t protocol = json_integer_value(json_object_get(json, "protocol")),
		   port = json_integer_value(json_object_get(json, "to-port"));
	int rc = read_address(json_object_get(json, "to"), &f->to, why);

	if (!rc)
		rc = read_ports(json_object_get(json, "ports"), &f->at.first, &f->at.last, why);
	if (!rc)
		rc = read_allowed(c, f, json_object_get(json, "from"), why);
	if (rc)
		return rc;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return refuse(why, "a forward's \"protocol\" has to be 6 or 17", NULL);
	if (port < 1 || port + f->at.last - f->at.first > UINT16_MAX)
		return refuse(why,
			      "a forward's \"to-port\" has to be from 1 to 65535, its last too",
			      NULL);
	f->at.protocol = (uint8_t)protocol;
	f->to_port = (uint16_t)port;
	f->is_for_guests = json_is_true(json_object_get(json, "hairpin"));
	return 0;
}

/* At those addresses of the pool that it is meant for: what comes and goes there takes the forward along. */
static int add_forward(struct nat_config *c, const json_t *json, char *why)
{
	const json_t *address = json_object_get(json, "address");
	struct nat_forward f = { 0 };
	uint32_t only = 0;
	int rc = address ? read_address(address, &only, why) : 0;

	if (!rc)
		rc = read_forward(c, &f, json, why);
	for (unsigned int i = 0; !rc && i < c->nr_pool; i++) {
		if (address && c->pool[i].address != only)
			continue;
		if (c->nr_forwards == NAT_FORWARDS_MAX)
			return refuse(why, "more than 1024 forwards", NULL);
		f.at.address = c->pool[i].address;
		c->forwards[c->nr_forwards++] = f;
	}
	return rc;
}

static int read_forwards(struct nat_config *c, const json_t *list, char *why)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		int rc = add_forward(c, item, why);

		if (rc)
			return rc;
	}
	qsort(c->forwards, c->nr_forwards, sizeof(c->forwards[0]), compare_ends);
	for (i = 1; i < c->nr_forwards; i++)
		if (overlap(&c->forwards[i - 1].at, &c->forwards[i].at))
			return refuse(why, "two forwards have the same port", NULL);
	return 0;
}

static int read_kernel(struct nat_end *e, const json_t *json, char *why)
{
	json_int_t protocol = json_integer_value(json_object_get(json, "protocol"));
	int rc = read_address(json_object_get(json, "address"), &e->address, why);

	if (!rc)
		rc = read_ports(json_object_get(json, "ports"), &e->first, &e->last, why);
	if (!rc && protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		rc = refuse(why, "\"protocol\" in \"kernel\" has to be 6 or 17", NULL);
	e->protocol = (uint8_t)protocol;
	return rc;
}

/* As many as there are: who writes the document cannot leave one out. Several forwards may lead to one end. */
static int read_kernels(struct nat_config *c, const json_t *list, char *why)
{
	size_t nr = json_array_size(list);
	struct nat_end *v = calloc(nr + 1, sizeof(*v));
	int rc = 0;

	c->kernels = v;
	if (!v) {
		snprintf(why, FAST_WHY_MAX, "nat: out of memory");
		return -ENOMEM;
	}
	for (size_t i = 0; !rc && i < nr; i++)
		rc = read_kernel(&v[i], json_array_get(list, i), why);
	if (rc || !nr)
		return rc;
	qsort(v, nr, sizeof(*v), compare_ends);
	c->nr_kernels = 1;
	for (size_t i = 1; i < nr; i++) {
		struct nat_end *last = &v[c->nr_kernels - 1];

		if (!overlap(last, &v[i]))
			v[c->nr_kernels++] = v[i];
		else if (last->last < v[i].last)
			last->last = v[i].last;
	}
	return 0;
}

static int read_number(const json_t *doc, const char *key, uint32_t otherwise, uint32_t *out,
		       char *why)
{
	const json_t *json = json_object_get(doc, key);
	json_int_t value = json_integer_value(json);

	*out = otherwise;
	if (!json)
		return 0;
	if (value < 1 || value > FLOWS_MAX)
		return refuse(why, "numbers of flows are 1 to 4194304", key);
	*out = (uint32_t)value;
	return 0;
}

static int read_doc(struct nat_config *c, const json_t *doc, char *why)
{
	int rc = json_is_object(doc) ? 0 : refuse(why, "it has to be an object", NULL);

	if (!rc)
		rc = read_ranges(doc, "inside", &c->inside, &c->nr_inside, why);
	if (!rc)
		rc = read_ranges(doc, "direct", &c->direct, &c->nr_direct, why);
	if (!rc)
		rc = read_pool(c, doc, why);
	if (!rc)
		rc = read_forwards(c, json_object_get(doc, "forwards"), why);
	if (!rc)
		rc = read_kernels(c, json_object_get(doc, "kernel"), why);
	if (!rc)
		rc = read_number(doc, "flows", FAST_NAT_FLOWS, &c->nr_flows, why);
	if (!rc)
		rc = read_number(doc, "flows-per-guest", (c->nr_flows + 15) / 16,
				 &c->nr_guest_flows, why);
	return rc;
}

void nat_config_free(struct nat_config *c)
{
	if (!c)
		return;
	free(c->kernels);
	free(c->inside);
	free(c->direct);
	free(c);
}

int nat_read(const json_t *doc, struct nat_config **out, char *why)
{
	struct nat_config *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (!c) {
		snprintf(why, FAST_WHY_MAX, "nat: out of memory");
		return -ENOMEM;
	}
	rc = read_doc(c, doc, why);
	if (rc)
		nat_config_free(c);
	else
		*out = c;
	return rc;
}
