/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/l3_priv.h"

#include <errno.h>
#include <string.h>

#include "vswitch/dnsmasq.h"

unsigned int l3_services_lacks(const struct vs_network *n)
{
	return dnsmasq_is_needed(n) ? VS_LACKS_DNSMASQ : 0;
}

static int refuse(const struct vs_plan_input *in, const struct vs_network *n, const char *what,
		  const char *program, const char *package)
{
	diag_add(in->ds, DIAG_ERROR, "VF0515", &n->place, package,
		 "network %s: %s is by %s, which is not installed", n->name, what, program);
	return -EINVAL;
}

static int plan_dnsmasq(const struct vs_plan_input *in, const struct vs_network *n,
			struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };
	bool is_needed;
	json_t *doc;

	if (!dnsmasq_is_needed(n))
		return 0;
	if (plan->model.lacks & VS_LACKS_DNSMASQ)
		return refuse(in, n, "what guests are told by DHCP, RA and DNS", "dnsmasq",
			      "apt install dnsmasq-base");
	doc = dnsmasq_doc(in->wanted, n, l3_has_ipv6(&plan->model), &is_needed);
	plan_set_doc(&p, VS_DISRUPTION_NONE, VS_DOC_DNSMASQ, n->name, doc);
	return p.rc;
}

int l3_plan_services(const struct vs_plan_input *in, struct vs_plan *plan)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < in->wanted->nr_networks; i++)
		rc = plan_dnsmasq(in, &in->wanted->networks[i], plan);
	return rc;
}

static bool is_wanted(const struct vs_wanted *w, const struct vs_doc *doc)
{
	const struct vs_network *n = vs_wanted_network(w, doc->name);

	return n && dnsmasq_is_needed(n);
}

int l3_plan_services_down(const struct vs_plan_input *in, struct vs_plan *plan)
{
	const struct vs_observed *o = &plan->model;
	struct plan_for p = { .plan = plan };
	char name[VS_TEXT_LEN];

	for (size_t i = o->nr_docs; !p.rc && i-- > 0;) {
		if (o->docs[i].kind != VS_DOC_DNSMASQ || is_wanted(in->wanted, &o->docs[i]))
			continue;
		memcpy(name, o->docs[i].name, sizeof(name));
		p.network = name;
		plan_del_doc(&p, VS_DISRUPTION_NONE, VS_DOC_DNSMASQ, name);
	}
	return p.rc;
}
