/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/l3_priv.h"

#include <errno.h>
#include <string.h>

#include "vswitch/dhcpcd.h"
#include "vswitch/dnsmasq.h"

static json_t *make_dnsmasq(const struct vs_wanted *w, const struct vs_network *n,
			    const struct vs_plan *plan)
{
	return dnsmasq_doc(w, n, l3_has_ipv6(&plan->model));
}

static json_t *make_dhcpcd(const struct vs_wanted *w, const struct vs_network *n,
			   const struct vs_plan *plan)
{
	(void)w;
	return dhcpcd_doc(n, vs_record_find(&plan->record, n->name), l3_has_ipv6(&plan->model));
}

static const struct service_kind {
	enum vs_doc_kind kind;
	enum vs_lack lack;
	const char *what, *program, *cure;
	bool (*is_needed)(const struct vs_network *n);
	json_t *(*make)(const struct vs_wanted *w, const struct vs_network *n,
			const struct vs_plan *plan);
	/* It must end before the device goes, of which it would give up the addresses. */
	bool ends_with_device;
} service_kinds[] = {
	{ VS_DOC_DNSMASQ, VS_LACKS_DNSMASQ, "guests are told their addresses and names", "dnsmasq",
	  "apt install dnsmasq-base", dnsmasq_is_needed, make_dnsmasq, false },
	{ VS_DOC_DHCP, VS_LACKS_DHCPCD, "the host's own addresses are asked for", "dhcpcd",
	  "apt install dhcpcd-base, or give the host's addresses in the policy", dhcpcd_is_needed,
	  make_dhcpcd, true },
};

#define NR_KINDS (sizeof(service_kinds) / sizeof(service_kinds[0]))

unsigned int l3_services_lacks(const struct vs_network *n)
{
	unsigned int lacks = 0;

	for (size_t i = 0; i < NR_KINDS; i++)
		if (service_kinds[i].is_needed(n))
			lacks |= service_kinds[i].lack;
	return lacks;
}

static int plan_service(const struct vs_plan_input *in, const struct vs_network *n,
			const struct service_kind *k, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan, .network = n->name };

	if (!k->is_needed(n))
		return 0;
	if (plan->model.lacks & k->lack) {
		diag_add(in->ds, DIAG_ERROR, "VF0515", &n->place, k->cure,
			 "network %s: %s by %s, which is not installed", n->name, k->what,
			 k->program);
		return -EINVAL;
	}
	plan_set_doc(&p, VS_DISRUPTION_NONE, k->kind, n->name, k->make(in->wanted, n, plan));
	return p.rc;
}

int l3_plan_services(const struct vs_plan_input *in, struct vs_plan *plan)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < NR_KINDS * in->wanted->nr_networks; i++)
		rc = plan_service(in, &in->wanted->networks[i / NR_KINDS],
				  &service_kinds[i % NR_KINDS], plan);
	return rc;
}

static bool changes_device(const struct vs_plan_input *in, const struct vs_network *n)
{
	const struct vs_record_network *old = vs_record_find(in->record, n->name);
	const struct vs_mode *mode = old ? vs_mode_find(old->mode) : NULL;

	return mode && mode->segment != n->mode->segment;
}

static bool stays(const struct vs_plan_input *in, const struct service_kind *k, const char *name)
{
	const struct vs_network *n = vs_wanted_network(in->wanted, name);

	return n && k->is_needed(n) && !(k->ends_with_device && changes_device(in, n));
}

static void stop_unwanted(struct plan_for *p, const struct vs_plan_input *in,
			  const struct service_kind *k)
{
	const struct vs_observed *o = &p->plan->model;
	char name[VS_TEXT_LEN];

	for (size_t i = o->nr_docs; !p->rc && i-- > 0;) {
		if (o->docs[i].kind != k->kind || stays(in, k, o->docs[i].name))
			continue;
		memcpy(name, o->docs[i].name, sizeof(name));
		p->network = name;
		plan_del_doc(p, VS_DISRUPTION_NONE, k->kind, name);
	}
}

int l3_plan_services_down(const struct vs_plan_input *in, struct vs_plan *plan)
{
	struct plan_for p = { .plan = plan };

	for (size_t i = 0; i < NR_KINDS; i++)
		stop_unwanted(&p, in, &service_kinds[i]);
	return p.rc;
}
