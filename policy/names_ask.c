/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The resolver's side of names: glibc's, asked of whole names, for it tells how long answers hold. */
#include "policy/names.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/nameser.h>

#define MESSAGE_MAX NS_MAXMSG
#define TRY_S	    2
#define TRIES	    2

static const int families[NAMES_FAMILIES] = { AF_INET, AF_INET6 };

static void take_record(int family, const ns_rr *rr, struct name_answer *out)
{
	size_t size = family == AF_INET ? 4 : 16;

	if (ns_rr_rdlen(*rr) != size)
		return;
	if (!name_may_have(family, ns_rr_rdata(*rr)))
		out->nr_refused++;
	else if (out->nr == NAMES_ADDRS_MAX)
		out->nr_over++;
	else
		memcpy(out->v[out->nr++], ns_rr_rdata(*rr), size);
}

void name_read_answer(int family, const uint8_t *message, size_t size, struct name_answer *out)
{
	ns_type type = family == AF_INET ? ns_t_a : ns_t_aaaa;
	ns_msg m;
	ns_rr rr;

	*out = (struct name_answer){ .ttl_s = UINT32_MAX };
	if (size > MESSAGE_MAX || ns_initparse(message, (int)size, &m) < 0) {
		out->rc = -EBADMSG;
		return;
	}
	for (int i = 0; i < ns_msg_count(m, ns_s_an); i++) {
		if (ns_parserr(&m, ns_s_an, i, &rr) < 0) {
			*out = (struct name_answer){ .rc = -EBADMSG };
			return;
		}
		if (ns_rr_class(rr) != ns_c_in)
			continue;
		/* An alias on the way may hold shorter than what it leads to. */
		if (ns_rr_ttl(rr) < out->ttl_s)
			out->ttl_s = ns_rr_ttl(rr);
		if (ns_rr_type(rr) == type)
			take_record(family, &rr, out);
	}
}

static void ask_family(struct __res_state *rs, const char *text, int family,
		       struct name_answer *out)
{
	static uint8_t message[MESSAGE_MAX];
	int size = res_nquery(rs, text, ns_c_in, family == AF_INET ? ns_t_a : ns_t_aaaa, message,
			      sizeof(message));

	if (size >= 0) {
		name_read_answer(family, message, (size_t)size, out);
		return;
	}
	*out = (struct name_answer){ .rc = rs->res_h_errno == HOST_NOT_FOUND ? -ENOENT
					   : rs->res_h_errno == NO_DATA	     ? 0
									     : -EAGAIN };
}

/* As resolv.conf would have set them: IPv6's stand in the extension, which is used when it is as long. */
static int set_servers(struct __res_state *rs, const struct vs_prefix *servers, size_t nr)
{
	rs->nscount = 0;
	for (size_t i = 0; i < nr && i < MAXNS; i++) {
		struct sockaddr_in6 *in6 = calloc(1, sizeof(*in6));
		struct sockaddr_in *in = &rs->nsaddr_list[i];

		if (!in6)
			return -ENOMEM;
		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(53) };
		if (servers[i].family == AF_INET) {
			memcpy(&in->sin_addr, servers[i].address, 4);
			memcpy(in6, in, sizeof(*in));
		} else {
			*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
						      .sin6_port = htons(53) };
			memcpy(&in6->sin6_addr, servers[i].address, 16);
			in->sin_family = 0;
		}
		free(rs->_u._ext.nsaddrs[i]);
		rs->_u._ext.nsaddrs[i] = in6;
		rs->_u._ext.nssocks[i] = -1;
		rs->nscount++;
	}
	rs->_u._ext.nscount = (uint16_t)rs->nscount;
	return 0;
}

/* A name that leads to this host would open, or close, what rules say of others. */
static void refuse_own(struct name_answer *a, int family, const struct ifaddrs *own)
{
	size_t size = family == AF_INET ? 4 : 16, nr = 0;

	for (size_t i = 0; i < a->nr; i++) {
		bool is_own = false;

		for (const struct ifaddrs *p = own; p && !is_own; p = p->ifa_next) {
			const struct sockaddr *sa = p->ifa_addr;

			if (!sa || sa->sa_family != family)
				continue;
			is_own = !memcmp(
				a->v[i],
				family == AF_INET
					? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
					: &((const struct sockaddr_in6 *)sa)->sin6_addr,
				size);
		}
		if (is_own)
			a->nr_refused++;
		else
			memmove(a->v[nr++], a->v[i], sizeof(a->v[i]));
	}
	a->nr = (uint16_t)nr;
}

void name_ask(const char *text, const struct vs_prefix *servers, size_t nr_servers,
	      struct name_answers *answers)
{
	struct __res_state rs = { 0 };
	struct ifaddrs *own = NULL;
	int rc = res_ninit(&rs) < 0 ? -EIO : 0;

	if (!rc && nr_servers)
		rc = set_servers(&rs, servers, nr_servers);
	if (!rc && getifaddrs(&own) < 0)
		rc = -errno;
	rs.retrans = TRY_S;
	rs.retry = TRIES;
	for (int k = 0; k < NAMES_FAMILIES; k++) {
		struct name_answer *a = &answers->family[k];

		/* What does not exist, or is not answered, is so for the other family, too. */
		if (rc) {
			*a = (struct name_answer){ .rc = rc };
			continue;
		}
		ask_family(&rs, text, families[k], a);
		refuse_own(a, families[k], own);
		rc = a->rc;
	}
	freeifaddrs(own);
	res_nclose(&rs);
}
