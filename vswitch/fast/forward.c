/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one port's burst to the ports that it is for. First all headers are read and the lines of the FDB
 * that they need are called for; then each frame is decided upon and put on the lists of its receivers;
 * then each receiver gets its list at once and is told once. A frame goes to many as one view; one that
 * has to have a tag more or less for some of them has a twin with a head of its own.
 *
 * What a receiver has no room for waits, and the sender with it, for WAIT_NS (and MORE_NS while it
 * takes some): receivers that are only behind so lose nothing. One that had no room in all that time is not waited for again for SLOW_NS.
 */
#include <string.h>

#include <linux/if_ether.h>

#include "vswitch/fast/ahead.h"

#define WAIT_NS 4000000u
#define MORE_NS 12000000u
#define SLOW_NS 100000000u
#define CATCH_UP_NS                                                                                \
	40000000u /* after a pause, when receivers get at once what waited all that time */

#define TAG_SIZE 4u
#define MACS	 12u
#define RESERVED 0x0000c28001ull /* 01:80:c2:00:00:0x, fast_mac() */

enum form { PLAIN, TAGGED };

struct keys {
	uint64_t to, from; /* MACs */
	uint16_t vlan;
	int8_t form;
	bool priority; /* a tag without a VLAN */
	bool good;     /* a frame of a VLAN of its port */
	bool again;    /* all of this is as with the frame before */
};

struct frame {
	struct fast_burst *b;
	struct fast_port *from;
	const struct keys *keys;
	struct fast_port *to; /* where the one before went, alone; NULL: not so */
	enum form to_form;
	bool is_sure; /* ... and there was nothing against it */
	struct nb_view *forms[2];
	bool is_like;  /* what was found for the one before is right for it */
	bool has_head; /* head is read */
	struct fast_head *head;
	uint64_t now_ns;
};

static void drop(struct fast_port *p, enum fast_drop why)
{
	nb_count(&p->stats.drops[why], 1);
}

/* Whether @p has @vlan, and in which form. */
static inline bool is_member(const struct fast_port *p, uint16_t vlan, enum form *form)
{
	if (p->vlans.has_pvid && vlan == p->vlans.pvid) {
		*form = PLAIN;
		return true;
	}
	*form = TAGGED;
	return p->vlans.is_trunk && fast_vlan_in(&p->vlans, vlan);
}

/* Return: whether it is a frame of a VLAN of @p. */
static inline bool read_keys(const struct fast_port *p, const struct nb_view *v, struct keys *k)
{
	const uint8_t *h = v->head;
	enum form form;

	k->to = fast_mac(h);
	k->from = fast_mac(h + ETH_ALEN);
	k->vlan = p->vlans.pvid;
	k->form = PLAIN;
	k->priority = false;
	if (__builtin_expect(h[MACS] != 0x81 || h[MACS + 1] || v->have < ETH_HLEN + TAG_SIZE, 1))
		return p->vlans.has_pvid;
	k->form = TAGGED;
	k->vlan = fast_get16(h + ETH_HLEN) & 0xfff;
	if (!k->vlan) {
		k->priority = true;
		k->vlan = p->vlans.pvid;
		return p->vlans.has_pvid;
	}
	return is_member(p, k->vlan, &form) && form == TAGGED;
}

static void pop_tag(struct fast_twin *t, const struct nb_view *v)
{
	memcpy(t->head, v->head, MACS);
	memcpy(t->head + MACS, v->head + MACS + TAG_SIZE, v->have - MACS - TAG_SIZE);
	t->view.have = (uint16_t)(v->have - TAG_SIZE);
	t->view.size = v->size - TAG_SIZE;
}

static void push_tag(struct fast_twin *t, const struct nb_view *v, uint16_t vlan)
{
	const uint8_t tag[TAG_SIZE] = { 0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan };

	memcpy(t->head, v->head, MACS);
	memcpy(t->head + MACS, tag, sizeof(tag));
	memcpy(t->head + MACS + TAG_SIZE, v->head + MACS, v->have - MACS);
	t->view.have = (uint16_t)(v->have + TAG_SIZE);
	t->view.size = v->size + TAG_SIZE;
}

/* NULL: there are no more twins. */
static struct nb_view *make_form(struct frame *f, enum form form)
{
	const struct nb_view *v = f->forms[!form];
	struct fast_twin *t = &f->b->twins[f->b->nr_twins];

	if (f->b->nr_twins == FAST_BURST || v->have > sizeof(t->head) - TAG_SIZE)
		return NULL;
	f->b->nr_twins++;
	t->view = *v;
	t->view.head = t->head;
	if (form == TAGGED)
		push_tag(t, v, f->keys->vlan);
	else
		pop_tag(t, v);
	f->forms[form] = &t->view;
	return &t->view;
}

static const struct fast_head *head_of(struct frame *f)
{
	const struct nb_view *v = f->forms[PLAIN] ? f->forms[PLAIN] : f->forms[TAGGED];

	if (!f->has_head)
		fast_head_parse(v->head, v->have, v->size, f->head);
	f->has_head = true;
	return f->head;
}

/* Put it on @to's list. */
static inline void list_for(struct fast_thread *t, struct frame *f, struct fast_port *to,
			    enum form form)
{
	struct nb_view *v = f->forms[form];

	if (!v)
		v = make_form(f, form);
	if (!v) {
		drop(f->from, FAST_DROP_FORM);
		return;
	}
	if (!to->nr_out)
		t->touched[t->nr_touched++] = to;
	to->out[to->nr_out++] = v;
}

/* The same, if @to may have it. */
static inline bool send_to(struct fast_thread *t, struct frame *f, struct fast_port *to,
			   enum form form)
{
	if (to->gate && !to->gate->is_open && !fast_gate_passes_to(to->gate, head_of(f)))
		return false;
	list_for(t, f, to, form);
	return true;
}

static inline bool are_apart(const struct fast_port *from, const struct fast_port *to)
{
	return from->kind == FAST_GUEST && to->kind == FAST_GUEST &&
	       (from->net->per_guest || (from->is_protected && to->is_protected));
}

/* Those of @to (FAST_TO_*) that the firewall lets have it. @other: the receiver, if it is one. */
static unsigned int ask_rules(struct frame *f, unsigned int to, const struct fast_port *other)
{
	struct fast_net *net = f->from->net;
	struct fast_ends ends = {
		.from = (uint8_t)(1u << f->from->kind),
		.to = (uint8_t)to,
		.guest = f->from->kind == FAST_GUEST ? f->from->id
			 : other		     ? other->id
						     : 0,
	};

	if (!net->rules)
		return to;
	return fast_rules_check(net->rules, net->ct, head_of(f), &ends, f->now_ns);
}

static bool may_flood(const struct frame *f, const struct fast_port *to, bool is_unknown)
{
	if (to == f->from || are_apart(f->from, to))
		return false;
	return !is_unknown || !to->is_only_mac;
}

/* To all of its VLAN: a group's frame, or one to a MAC that nobody knows. */
static void flood(struct fast_thread *t, struct frame *f, bool is_unknown)
{
	struct fast_net *net = f->from->net;
	bool is_gateway = net->mode == FAST_MODE_NAT || net->mode == FAST_MODE_ROUTE;
	unsigned int kinds = 0, nr = 0;
	enum form form;
	struct list *l;

	/* Whatever is not for a guest that is known is the gateway's business. */
	if (is_unknown && is_gateway && f->from->kind == FAST_GUEST) {
		kinds = 1u << FAST_HOST;
	} else {
		list_for_each (&net->ports, l) {
			const struct fast_port *to = list_entry(l, struct fast_port, siblings);

			if (may_flood(f, to, is_unknown))
				kinds |= 1u << to->kind;
		}
	}
	if (kinds)
		kinds = ask_rules(f, kinds, NULL);
	if (!kinds) {
		drop(f->from, net->rules ? FAST_DROP_FIREWALL : FAST_DROP_NO_PORT);
		return;
	}
	list_for_each (&net->ports, l) {
		struct fast_port *to = list_entry(l, struct fast_port, siblings);

		if (!(kinds & 1u << to->kind) || !may_flood(f, to, is_unknown) ||
		    !is_member(to, f->keys->vlan, &form))
			continue;
		send_to(t, f, to, form);
		nr++;
	}
	nb_count(&f->from->stats.flooded, 1);
	if (!nr)
		drop(f->from, FAST_DROP_NO_PORT);
}

static inline struct fast_port *find(const struct fast_net *net, const struct keys *k)
{
	uint16_t id = fast_fdb_find(&net->fdb, fast_fdb_key(k->to, k->vlan));

	if (!id && net->has_any_vlan)
		id = fast_fdb_find(&net->fdb, fast_fdb_key(k->to, FAST_ANY_VLAN));
	return id ? net->by_id[id] : NULL;
}

static void learn(struct fast_port *p, const struct keys *k)
{
	struct fast_net *net = p->net;
	uint64_t key = fast_fdb_key(k->from, k->vlan);
	uint32_t max = p->kind == FAST_GUEST ? FAST_FDB_PORT_MAX : FAST_FDB_UPLINK_MAX;

	if (__builtin_expect(fast_fdb_is_fresh(&net->fdb, key, p->id), 1))
		return;
	if (k->from & 1 || !k->from || k->from == p->mac)
		return;
	if (net->has_any_vlan && fast_fdb_find(&net->fdb, fast_fdb_key(k->from, FAST_ANY_VLAN)))
		return;
	if (!fast_fdb_learn(&net->fdb, key, p->id, max))
		nb_count(&p->stats.not_learnt, 1);
}

/* Guests of ours are behind it, and its host's end is their way out. */
static bool is_inner(const struct fast_net *net)
{
	return net->mode == FAST_MODE_NAT || net->mode == FAST_MODE_ROUTE;
}

/* Whether the policy lets it go from the network it came to, to @to of @net. */
static bool may_route(const struct frame *f, const struct fast_net *net, const struct fast_port *to)
{
	const struct fast_net *from = f->from->net, *asked = is_inner(from) ? from : net;
	const struct fast_ends ends = {
		.from = is_inner(from) ? FAST_TO_GUEST : FAST_TO_UPLINK,
		.to = is_inner(net) ? FAST_TO_GUEST : FAST_TO_UPLINK,
		.guest = is_inner(from) ? f->from->id : to->id,
	};
	const struct fast_gateway *g = asked->gateway;

	return !g || !g->rules || fast_rules_check(g->rules, g->ct, f->head, &ends, f->now_ns);
}

/* Whether its answer would be taken as it is. */
static bool is_routed_back(const struct frame *f, const struct fast_net *net)
{
	const struct fast_gateway *g = net->gateway;
	const struct fast_hop *hop = g && g->routes ? fast_route_back(g->routes, f->head) : NULL;

	return hop && g->nets[hop->port] == f->from->net;
}

static enum fast_nat_verdict translate(struct frame *f, const struct fast_net *net, bool is_out)
{
	struct fast_nat *nat = net->gateway ? net->gateway->nat : NULL;
	bool is_blank = f->forms[PLAIN]->flags & NB_VIEW_CSUM_BLANK;

	if (!nat || (is_out && !is_inner(f->from->net)))
		return FAST_NAT_UNTOUCHED;
	return fast_nat_translate(nat, f->head, is_out,
				  (uint16_t)(f->from->net->nat_base + f->from->id), is_blank,
				  f->now_ns);
}

/*
 * Whether the way of what is translated is known no more, there or back. The kernel, which would find it again,
 * would translate to another port, and so end what goes on; what is new there is enough for it.
 */
static bool is_cut_off(const struct fast_thread *t, const struct frame *f,
		       const struct fast_net *net)
{
	const struct fast_net *from = f->from->net;
	struct list *l;

	if (from->mode != FAST_MODE_NAT || f->head->version != 4 ||
	    (net ? is_routed_back(f, net) : !fast_route_is_cut(from->gateway->routes, f->head)))
		return false;
	list_for_each (&t->nets, l) {
		const struct fast_gateway *g = list_entry(l, struct fast_net, members)->gateway;

		if (g && g->nat && fast_nat_has(g->nat, f->head, f->now_ns))
			return true;
	}
	return false;
}

/* What guests of a network behind a translation say, and what is said to them, is translated or the kernel's. */
static bool has_to_be_translated(const struct frame *f, const struct fast_net *net)
{
	return f->from->net->mode == FAST_MODE_NAT || net->mode == FAST_MODE_NAT;
}

/* By whom @keys are reached; @form is set. NULL: by nobody. */
static struct fast_port *next_hop(struct fast_net *net, const struct keys *keys, enum form *form)
{
	struct fast_port *to = find(net, keys);

	if (!to && net->uplink.thread)
		to = &net->uplink;
	return to && to->kind != FAST_HOST && is_member(to, keys->vlan, form) ? to : NULL;
}

/*
 * What is for the host's end, sent on in its place: gateway.h. False: it is the kernel's, untouched. What is
 * translated already cannot be, and is dropped; but a forward's first, which the kernel forwards to the same end.
 */
static bool route(struct fast_thread *t, struct frame *f)
{
	struct fast_gateway *g = f->from->net->gateway;
	const struct nb_view *v = f->forms[PLAIN];
	enum fast_nat_verdict verdict;
	const struct fast_hop *hop;
	const struct keys *came = f->keys;
	struct keys keys = { 0 };
	struct fast_port *to;
	struct fast_net *net;
	enum form form;

	if (!g || !g->routes || !v || f->keys->form != PLAIN || f->from->kind == FAST_HOST)
		return false;
	head_of(f);
	verdict = translate(f, f->from->net, false);
	hop = verdict == FAST_NAT_DROP || verdict == FAST_NAT_KERNEL
		      ? NULL
		      : fast_route_find(g->routes, f->head, v->gso_size);
	net = hop ? g->nets[hop->port] : NULL;
	if (net) {
		keys.to = fast_mac(hop->macs);
		keys.vlan = net->host_vlan;
	}
	to = net ? next_hop(net, &keys, &form) : NULL;
	/* From elsewhere only what is translated reaches those, whatever the firewall says about its ends. */
	if (verdict == FAST_NAT_UNTOUCHED && net && net->mode == FAST_MODE_NAT &&
	    !is_inner(f->from->net))
		return false;
	/* What is refused here the kernel looks at: it may know better, and answers where it is to be told. */
	if (!to || (net == f->from->net && are_apart(f->from, to)) || !is_routed_back(f, net) ||
	    !may_route(f, net, to)) {
		if (verdict == FAST_NAT_FORWARDED) {
			fast_nat_undo(g->nat, f->head, v->flags & NB_VIEW_CSUM_BLANK, f->now_ns);
			return false;
		}
		if (verdict == FAST_NAT_KERNEL ||
		    (verdict == FAST_NAT_UNTOUCHED && !is_cut_off(t, f, net)))
			return false;
		drop(f->from, FAST_DROP_GATEWAY);
		return true;
	}
	if (verdict == FAST_NAT_UNTOUCHED)
		verdict = translate(f, net, true);
	if (verdict == FAST_NAT_KERNEL ||
	    (verdict == FAST_NAT_UNTOUCHED && has_to_be_translated(f, net)))
		return false;
	if (verdict == FAST_NAT_DROP) {
		drop(f->from, FAST_DROP_GATEWAY);
		return true;
	}
	fast_route_take(hop, f->head);
	f->keys = &keys;
	send_to(t, f, to, form);
	nb_count(&f->from->stats.routed, 1);
	f->keys = came;
	return true;
}

/* To the one port that has its MAC, and those like it at once. */
static void forward_to(struct fast_thread *t, struct frame *f, struct fast_port *to)
{
	struct fast_port *from = f->from;
	enum form form;

	if (to == from) {
		drop(from, FAST_DROP_NO_PORT);
	} else if (are_apart(from, to)) {
		drop(from, FAST_DROP_ISOLATED);
	} else if (!is_member(to, f->keys->vlan, &form)) {
		drop(from, FAST_DROP_VLAN);
	} else if (from->net->rules && !ask_rules(f, 1u << to->kind, to)) {
		drop(from, FAST_DROP_FIREWALL);
	} else {
		f->is_sure = send_to(t, f, to, form);
		f->to = to->kind == FAST_HOST ? NULL : to;
		f->to_form = form;
	}
}

static void forward(struct fast_thread *t, struct frame *f)
{
	struct fast_port *from = f->from, *to;
	const struct keys *k = f->keys;

	if (f->is_like && f->to && f->is_sure) {
		list_for(t, f, f->to, f->to_form);
		return;
	}
	if (from->kind == FAST_GUEST && (!from->gate || !from->gate->is_open) &&
	    (!from->gate || !fast_gate_passes(from->gate, head_of(f), f->now_ns))) {
		drop(from, FAST_DROP_GUARD);
		f->to = NULL; /* not learnt either */
		return;
	}
	if (k->again && f->to && !from->net->rules) {
		f->is_sure = send_to(t, f, f->to, f->to_form);
		return;
	}
	f->to = NULL;
	if (k->priority && !make_form(f, PLAIN)) {
		drop(from, FAST_DROP_FORM);
		return;
	}
	if (k->priority)
		f->forms[TAGGED] = NULL;
	learn(from, k);
	if (k->to & 1) {
		if ((k->to & 0xf0ffffffffff) == RESERVED)
			drop(from, FAST_DROP_RESERVED);
		else
			flood(t, f, false);
		return;
	}
	to = find(from->net, k);
	if (!to)
		flood(t, f, true);
	else if (to != &from->net->host || !route(t, f))
		forward_to(t, f, to);
}

/* What @p may get by its limit. Return: how many are left in p->out. */
static unsigned int limit(struct fast_port *p, uint64_t now_ns)
{
	unsigned int nr = 0;

	if (!fast_limit_is_set(&p->to))
		return p->nr_out;
	fast_limit_fill(&p->to, now_ns);
	for (unsigned int i = 0; i < p->nr_out; i++) {
		if (!fast_limit_allows(&p->to)) {
			drop(p, FAST_DROP_TO_RATE);
			continue;
		}
		fast_limit_take(&p->to, 1, p->out[i]->size);
		p->out[nr++] = p->out[i];
	}
	return nr;
}

static void give_up(struct fast_port *to, unsigned int nr)
{
	to->ops->drop(to, nr);
	nb_count(&to->stats.drops[FAST_DROP_NO_ROOM], nr);
}

/* Have @nr frames from @views on wait for room. */
static void wait_for(struct fast_burst *b, struct fast_port *to, struct nb_view *const *views,
		     unsigned int nr, uint64_t now_ns)
{
	struct fast_wait *w = &b->waits[b->nr_waits];

	if (b->nr_waits == FAST_WAITS_MAX || now_ns < to->slow_until_ns || !b->may_wait) {
		give_up(to, nr);
		return;
	}
	*w = (struct fast_wait){ .to = to, .first = b->nr_left, .nr = nr };
	memcpy(b->left + b->nr_left, views, nr * sizeof(views[0]));
	b->nr_left += nr;
	b->nr_waits++;
	to->nr_waiting += nr;
	nb_count(&to->stats.waits, 1);
	b->until_ns = now_ns + (now_ns < to->thread->patient_until_ns ? CATCH_UP_NS : WAIT_NS);
	fast_thread_activate(to);
}

static void deliver(struct fast_burst *b, struct fast_port *to, uint64_t now_ns)
{
	unsigned int nr = limit(to, now_ns), done;

	to->nr_out = 0;
	if (!nr)
		return;
	done = to->ops->put(to, to->out, nr);
	to->ops->flush(to);
	nb_count(&to->stats.to_frames, done);
	if (done < nr)
		wait_for(b, to, to->out + done, nr - done, now_ns);
}

/* Read what decides, and call for the FDB's lines. *again_out: a bit for each. Return: bytes. */
static uint64_t read_burst(const struct fast_burst *b, struct keys *keys, uint64_t *again_out)
{
	const struct fast_port *from = b->from;
	const struct fast_fdb *fdb = &from->net->fdb;
	const struct keys *last = NULL;
	uint64_t bytes = 0, again = 0;

	for (unsigned int i = 0; i < b->nr; i++) {
		struct keys *k = &keys[i];

		bytes += b->views[i]->size;
		k->good = read_keys(from, b->views[i], k);
		k->again = last && k->to == last->to && k->from == last->from &&
			   k->vlan == last->vlan && k->form == last->form && !k->priority;
		last = k;
		again |= (uint64_t)k->again << i;
		if (k->again)
			continue;
		fast_fdb_prefetch(fdb, fast_fdb_key(k->to, k->vlan));
		fast_fdb_prefetch(fdb, fast_fdb_key(k->from, k->vlan));
	}
	*again_out = again;
	return bytes;
}

void fast_forward(struct fast_thread *t, struct fast_burst *b, uint64_t now_ns)
{
	struct fast_port *from = b->from;
	struct frame f = { .b = b, .from = from, .now_ns = now_ns };
	struct keys keys[FAST_BURST];
	struct fast_ahead ahead;
	const unsigned int nr = b->nr;
	uint64_t bytes, again;

	b->nr_twins = b->nr_waits = b->nr_left = 0;
	t->nr_touched = 0;
	bytes = read_burst(b, keys, &again);
	fast_look_ahead(b, again, &ahead);
	nb_count(&from->stats.frames, nr);
	nb_count(&from->stats.bytes, bytes);
	if (fast_limit_is_set(&from->from))
		fast_limit_take(&from->from, nr, bytes);
	for (unsigned int i = 0; i < nr; i++) {
		if (!keys[i].good) {
			drop(from, FAST_DROP_VLAN);
			f.to = NULL;
			continue;
		}
		f.keys = &keys[i];
		f.forms[keys[i].form] = b->views[i];
		f.forms[!keys[i].form] = NULL;
		f.is_like = ahead.like >> i & 1;
		f.has_head = ahead.read >> i & 1;
		f.head = &ahead.heads[i];
		forward(t, &f);
	}
	for (unsigned int i = 0; i < t->nr_touched; i++)
		deliver(b, t->touched[i], now_ns);
}

bool fast_forward_again(struct fast_burst *b, uint64_t now_ns)
{
	unsigned int i = 0;

	while (i < b->nr_waits) {
		struct fast_wait *w = &b->waits[i];
		unsigned int done = w->to->ops->put(w->to, b->left + w->first, w->nr);
		/* One that goes on taking some is given a little more. */
		bool late = now_ns >= b->until_ns + (done ? MORE_NS : 0);

		if (done)
			w->to->ops->flush(w->to);
		nb_count(&w->to->stats.to_frames, done);
		w->first += done;
		w->nr -= done;
		w->to->nr_waiting -= done;
		if (w->nr && late) {
			give_up(w->to, w->nr);
			w->to->nr_waiting -= w->nr;
			w->to->slow_until_ns = now_ns + SLOW_NS;
			w->nr = 0;
		}
		if (w->nr)
			i++;
		else
			*w = b->waits[--b->nr_waits];
	}
	return !b->nr_waits;
}

void fast_forward_forget(struct fast_burst *b, struct fast_port *p)
{
	for (unsigned int i = 0; i < b->nr_waits; i++) {
		if (b->waits[i].to == p) {
			give_up(p, b->waits[i].nr);
			p->nr_waiting -= b->waits[i].nr;
			b->waits[i] = b->waits[--b->nr_waits];
			return; /* one receiver, one wait */
		}
	}
}
