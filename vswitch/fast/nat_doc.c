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

static int read_prefixes(const json_t *list, struct nat_prefix *v, unsigned int *nr, char *why)
{
	const json_t *item;
	size_t i;

	if (list && !json_is_array(list))
		return refuse(why, "\"inside\" and \"direct\" have to be arrays of prefixes", NULL);
	json_array_foreach (list, i, item) {
		int rc = i < NAT_PREFIXES_MAX ? read_prefix(item, &v[i], why)
					      : refuse(why, "more than 256 prefixes", NULL);

		if (rc)
			return rc;
		*nr = (unsigned int)i + 1;
	}
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

static int read_pool(struct nat_config *c, const json_t *list, char *why)
{
	const json_t *item;
	size_t i;
	int rc = 0;

	json_array_foreach (list, i, item) {
		struct nat_pool *p = &c->pool[i < NAT_POOL_MAX ? i : 0];

		if (i >= NAT_POOL_MAX)
			return refuse(why, "more than 64 addresses in \"pool\"", NULL);
		rc = read_address(json_object_get(item, "address"), &p->address, why);
		if (!rc)
			rc = read_ports(json_object_get(item, "ports"), &p->first, &p->last, why);
		if (rc)
			return rc;
		p->is_shared = json_is_true(json_object_get(item, "shared"));
		for (size_t k = 0; k < i; k++)
			if (c->pool[k].address == p->address)
				return refuse(why, "an address is twice in \"pool\"", NULL);
		c->nr_pool = (unsigned int)i + 1;
	}
	return c->nr_pool ? 0 : refuse(why, "\"pool\" has no address to translate to", NULL);
}

static int compare_forwards(const void *a, const void *b)
{
	const struct nat_forward *x = a, *y = b;

	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int read_forward(const struct nat_config *c, struct nat_forward *f, const json_t *json,
			char *why)
{
	json_int_t protocol = json_integer_value(json_object_get(json, "protocol")),
		   port = json_integer_value(json_object_get(json, "to-port"));
	bool is_ours = false;
	int rc = read_address(json_object_get(json, "address"), &f->address, why);

	if (!rc)
		rc = read_address(json_object_get(json, "to"), &f->to, why);
	if (!rc)
		rc = read_ports(json_object_get(json, "ports"), &f->first, &f->last, why);
	if (rc)
		return rc;
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return refuse(why, "a forward's \"protocol\" has to be 6 or 17", NULL);
	if (port < 1 || port + f->last - f->first > UINT16_MAX)
		return refuse(why,
			      "a forward's \"to-port\" has to be from 1 to 65535, its last too",
			      NULL);
	for (unsigned int i = 0; i < c->nr_pool; i++)
		is_ours |= c->pool[i].address == f->address;
	if (!is_ours)
		return refuse(why, "a forward's \"address\" is not in \"pool\"",
			      json_string_value(json_object_get(json, "address")));
	f->protocol = (uint8_t)protocol;
	f->to_port = (uint16_t)port;
	return 0;
}

static int read_forwards(struct nat_config *c, const json_t *list, char *why)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		int rc = i < NAT_FORWARDS_MAX ? read_forward(c, &c->forwards[i], item, why)
					      : refuse(why, "more than 1024 forwards", NULL);

		if (rc)
			return rc;
		c->nr_forwards = (unsigned int)i + 1;
	}
	qsort(c->forwards, c->nr_forwards, sizeof(c->forwards[0]), compare_forwards);
	for (i = 1; i < c->nr_forwards; i++) {
		const struct nat_forward *a = &c->forwards[i - 1], *b = a + 1;

		if (a->protocol == b->protocol && a->address == b->address && a->last >= b->first)
			return refuse(why, "two forwards have the same port", NULL);
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
		rc = read_prefixes(json_object_get(doc, "inside"), c->inside, &c->nr_inside, why);
	if (!rc)
		rc = read_prefixes(json_object_get(doc, "direct"), c->direct, &c->nr_direct, why);
	if (!rc)
		rc = read_pool(c, json_object_get(doc, "pool"), why);
	if (!rc)
		rc = read_forwards(c, json_object_get(doc, "forwards"), why);
	if (!rc)
		rc = read_number(doc, "flows", FAST_NAT_FLOWS, &c->nr_flows, why);
	if (!rc)
		rc = read_number(doc, "flows-per-guest", (c->nr_flows + 15) / 16,
				 &c->nr_guest_flows, why);
	return rc;
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
		free(c);
	else
		*out = c;
	return rc;
}
