/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that serves ports of networks. A port with work is polled; one that had none for SPIN_NS is armed
 * and left to epoll, edge-triggered, or looked at again soon (nap.h); a thread whose ports all are sleeps there. So a
 * busy port costs no system call for events, and idle ones cost the busy ones nothing.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "vswitch/fast/net.h"

#define SPIN_NS	   50000u
#define GAP_NS	   1000000u   /* between two turns: longer, it had no processor */
#define PATIENT_NS 300000000u /* after a pause */
#define EVENTS_MAX 64
#define LOOK_AFTER 16 /* turns without a look at the descriptors, while there is work */
#define AGE_PARTS  16 /* of an FDB looked through a second */
#define CT_SWEEP   1024u

void fast_thread_activate(struct fast_port *p)
{
	if (p->thread && list_empty(&p->active))
		list_append(&p->thread->active, &p->active);
}

int fast_thread_add(struct fast_thread *t, struct fast_port *p)
{
	int rc;

	list_init(&p->active);
	p->parked = false;
	p->nr_out = p->nr_waiting = 0;
	p->deadline_ns = 0;
	rc = p->ops->watch(p, t->epoll_fd, true);
	if (rc) {
		p->ops->watch(p, t->epoll_fd, false);
		return rc;
	}
	p->thread = t;
	list_append(&t->ports, &p->all);
	fast_thread_activate(p);
	return 0;
}

static void put_burst(struct fast_thread *t, struct fast_burst *b)
{
	t->bursts[t->nr_bursts++] = b;
}

/* All that @b's sender gave is done with. */
static void finish(struct fast_thread *t, struct fast_burst *b)
{
	b->from->ops->done(b->from, b);
	b->from->parked = false;
	list_remove(&b->parked);
	fast_thread_activate(b->from);
	put_burst(t, b);
}

void fast_thread_remove(struct fast_port *p)
{
	struct fast_thread *t = p->thread;
	struct list *l, *next;

	if (!t)
		return;
	list_for_each_safe (&t->parked, l, next) {
		struct fast_burst *b = list_entry(l, struct fast_burst, parked);

		fast_forward_forget(b, p);
		while (b->from == p && b->nr_waits)
			fast_forward_forget(b, b->waits[0].to);
		if (!b->nr_waits)
			finish(t, b);
	}
	p->ops->watch(p, t->epoll_fd, false);
	list_remove(&p->active);
	list_remove(&p->all);
	p->thread = NULL;
}

static void run_call(struct fast_thread *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->call) {
		t->call(t->call_arg);
		t->call = NULL;
		pthread_cond_signal(&t->done);
	}
	pthread_mutex_unlock(&t->lock);
}

void fast_thread_call(struct fast_thread *t, void (*fn)(void *arg), void *arg)
{
	uint64_t one = 1;

	if (!t->threaded) {
		fn(arg);
		return;
	}
	pthread_mutex_lock(&t->lock);
	t->call = fn;
	t->call_arg = arg;
	/* Cannot fail: nobody else adds to it. */
	while (write(t->kick_fd, &one, sizeof(one)) < 0)
		;
	while (t->call)
		pthread_cond_wait(&t->done, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

/* Frames that @p may send now; 0: p->deadline_ns says when. */
static unsigned int allowed(struct fast_port *p, uint64_t now_ns)
{
	if (!fast_limit_is_set(&p->from))
		return FAST_BURST;
	fast_limit_fill(&p->from, now_ns);
	return fast_limit_frames(&p->from, FAST_BURST, now_ns, &p->deadline_ns);
}

/* An event without a frame is arm()'s to judge, and so is who waits for room. One that is limited has its own pace. */
static bool may_nap(const struct fast_port *p)
{
	return p->queues && p->busy_ns && !p->nr_waiting && !p->parked && !p->thread->is_eager &&
	       !fast_limit_is_set(&p->from);
}

/* Return: whether it does. */
static bool nap(struct fast_port *p, uint64_t now_ns)
{
	uint64_t ns = may_nap(p) ? fast_nap(&p->nap, p->stats.frames, now_ns) : 0;

	if (!ns)
		return false;
	p->deadline_ns = now_ns + ns;
	return true;
}

/* Has had nothing to do for long: leave it to its events, or to the next look. */
static void rest(struct fast_port *p, uint64_t now_ns)
{
	if (now_ns - p->busy_ns < SPIN_NS && !p->thread->is_eager)
		return;
	p->deadline_ns = 0;
	if (!nap(p, now_ns) && p->ops->arm(p, now_ns))
		return;
	list_remove(&p->active);
}

void fast_thread_pause(struct fast_thread *t, bool on)
{
	struct list *l;

	t->is_paused = on;
	if (!on)
		t->patient_until_ns = clock_ns() + PATIENT_NS;
	list_for_each (&t->ports, l)
		fast_thread_activate(list_entry(l, struct fast_port, all));
}

/* Return: frames taken. */
static unsigned int serve(struct fast_thread *t, struct fast_port *p, uint64_t now_ns)
{
	struct fast_burst *b;
	unsigned int max;

	if (t->is_paused) {
		if (p->nr_waiting)
			rest(p, now_ns);
		else
			list_remove(&p->active);
		return 0;
	}
	max = allowed(p, now_ns);
	if (!max) {
		nb_count(&p->stats.throttled, 1);
		list_remove(&p->active);
		return 0;
	}
	if (p->parked || !t->nr_bursts) {
		if (p->parked && !p->nr_waiting)
			list_remove(&p->active);
		else
			rest(p, now_ns);
		return 0;
	}
	b = t->bursts[--t->nr_bursts];
	b->from = p;
	b->may_wait = t->nr_bursts > 0;
	b->nr = p->ops->take(p, b, max, now_ns);
	if (!b->nr) {
		put_burst(t, b);
		rest(p, now_ns);
		return 0;
	}
	p->busy_ns = now_ns;
	fast_forward(t, b, now_ns);
	if (b->nr_waits) {
		p->parked = true;
		list_append(&t->parked, &b->parked);
	} else {
		p->ops->done(p, b);
		put_burst(t, b);
	}
	return b->nr;
}

/*
 * Time that this thread did not have was none for receivers either: they may share its processor, or all of
 * this machine may have been stopped. It was to go on at @due_ns; who knows when after @since_ns that was.
 */
static void forgive(struct fast_thread *t, uint64_t since_ns, uint64_t due_ns, uint64_t now_ns)
{
	struct list *l;

	if (since_ns && now_ns > due_ns + GAP_NS)
		list_for_each (&t->parked, l)
			list_entry(l, struct fast_burst, parked)->until_ns += now_ns - since_ns;
}

static void retry(struct fast_thread *t, uint64_t now_ns)
{
	struct list *l, *next;

	list_for_each_safe (&t->parked, l, next) {
		struct fast_burst *b = list_entry(l, struct fast_burst, parked);

		if (fast_forward_again(b, now_ns))
			finish(t, b);
	}
}

/* Ports and bursts that only time can wake. Return: when the first is due; UINT64_MAX: none. */
static uint64_t serve_deadlines(struct fast_thread *t, uint64_t now_ns)
{
	uint64_t first = UINT64_MAX;
	struct list *l;

	list_for_each (&t->ports, l) {
		struct fast_port *p = list_entry(l, struct fast_port, all);

		if (!p->deadline_ns || !list_empty(&p->active))
			continue;
		if (p->deadline_ns <= now_ns) {
			p->deadline_ns = 0;
			fast_thread_activate(p);
		} else if (p->deadline_ns < first) {
			first = p->deadline_ns;
		}
	}
	list_for_each (&t->parked, l) {
		const struct fast_burst *b = list_entry(l, struct fast_burst, parked);

		first = b->until_ns < first ? b->until_ns : first;
	}
	return first;
}

/* Once a second, as long as there is work: nobody asks in between. */
static void age(struct fast_thread *t, uint64_t now_ns)
{
	uint32_t now_s = (uint32_t)(now_ns / 1000000000u);
	struct list *l;

	if (now_s == t->now_s)
		return;
	t->now_s = now_s;
	list_for_each (&t->nets, l) {
		struct fast_net *net = list_entry(l, struct fast_net, members);

		net->fdb.now_s = now_s;
		fast_fdb_age(&net->fdb, (net->fdb.mask + 1) / AGE_PARTS);
		if (net->ct)
			fast_ct_sweep(net->ct, CT_SWEEP, now_ns);
		if (net->gateway && net->gateway->nat)
			fast_nat_sweep(net->gateway->nat, CT_SWEEP, now_ns);
	}
}

static void look(struct fast_thread *t, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int i, n = epoll_wait(t->epoll_fd, events, EVENTS_MAX, timeout_ms);
	bool kicked = false;

	for (i = 0; i < n; i++) {
		const struct fast_source *source = events[i].data.ptr;
		struct fast_port *p = source->port;
		uint64_t count;

		if (!p) {
			kicked |= read(t->kick_fd, &count, sizeof(count)) > 0;
			continue;
		}
		nb_count(&p->stats.wakeups, 1);
		p->ops->event(p, source);
		p->busy_ns = 0; /* one look, then it is armed again unless there is work */
		fast_thread_activate(p);
	}
	/* Last: it may take away the ports of those events. */
	if (kicked)
		run_call(t);
}

static int sleep_ms(uint64_t until_ns, uint64_t now_ns, int timeout_ms)
{
	uint64_t ms;

	if (until_ns == UINT64_MAX)
		return timeout_ms;
	ms = until_ns > now_ns ? (until_ns - now_ns + 999999) / 1000000 : 0;
	return timeout_ms < 0 || ms < (uint64_t)timeout_ms ? (int)ms : timeout_ms;
}

unsigned int fast_thread_turn(struct fast_thread *t, int timeout_ms)
{
	uint64_t now_ns = clock_ns(), first = UINT64_MAX;
	bool idle = list_empty(&t->active);
	struct list *l, *next, *last;
	unsigned int work = 0;
	int ms;

	forgive(t, t->last_ns, t->last_ns, now_ns);
	if (idle || t->is_eager || ++t->nr_turns >= LOOK_AFTER) {
		first = serve_deadlines(t, now_ns);
		idle = list_empty(&t->active);
		if (idle && timeout_ms) {
			nb_count(&t->sleeps, 1);
			atomic_store_explicit(&t->sleeping, true, memory_order_relaxed);
		}
		ms = idle ? sleep_ms(first, now_ns, timeout_ms) : 0;
		t->last_ns = now_ns;
		look(t, ms);
		atomic_store_explicit(&t->sleeping, false, memory_order_relaxed);
		t->nr_turns = 0;
		now_ns = clock_ns();
		forgive(t, t->last_ns, t->last_ns + (uint64_t)(ms > 0 ? ms : 0) * 1000000u, now_ns);
		serve_deadlines(t, now_ns);
	}
	age(t, now_ns);
	if (!list_empty(&t->parked))
		retry(t, now_ns);
	last = t->active.prev;
	for (l = t->active.next; l != &t->active; l = next) {
		bool is_last = l == last;

		next = l->next;
		work += serve(t, list_entry(l, struct fast_port, active), now_ns);
		if (is_last)
			break;
	}
	t->last_ns = now_ns;
	nb_count(&t->turns, 1);
	nb_count(&t->busy_turns, work > 0);
	return work + !list_empty(&t->active);
}

static void *thread_main(void *arg)
{
	struct fast_thread *t = arg;
	bool stop = false;

	while (!stop) {
		fast_thread_turn(t, -1);
		stop = __atomic_load_n(&t->stop, __ATOMIC_ACQUIRE);
	}
	return NULL;
}

static int start(struct fast_thread *t)
{
	sigset_t all, old;
	int rc;

	/* Signals are for the control thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	t->threaded = true;
	rc = pthread_create(&t->thread, NULL, thread_main, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		t->threaded = false;
	if (!rc && t->is_pinned)
		rc = pthread_setaffinity_np(t->thread, sizeof(t->cpus), &t->cpus);
	return -rc;
}

static int make_bursts(struct fast_thread *t)
{
	while (t->nr_bursts < FAST_BURSTS_MAX) {
		struct fast_burst *b = aligned_alloc(64, (sizeof(*b) + 63) / 64 * 64);

		if (!b)
			return -ENOMEM;
		list_init(&b->parked);
		b->nr_waits = 0;
		b->batch = nb_batch_create();
		t->bursts[t->nr_bursts++] = b;
		if (!b->batch)
			return -ENOMEM;
	}
	return 0;
}

int fast_thread_create(bool threaded, const cpu_set_t *cpus, struct fast_thread **t_out)
{
	struct fast_thread *t = calloc(1, sizeof(*t));
	struct epoll_event ev = { .events = EPOLLIN };
	int rc;

	*t_out = NULL;
	if (!t)
		return -ENOMEM;
	list_init(&t->all);
	list_init(&t->nets);
	list_init(&t->ports);
	list_init(&t->active);
	list_init(&t->parked);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->done, NULL);
	t->is_pinned = cpus != NULL;
	t->is_eager = !threaded;
	if (cpus)
		t->cpus = *cpus;
	ev.data.ptr = &t->kick;
	t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	t->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = t->epoll_fd < 0 || t->kick_fd < 0 ||
			     epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, t->kick_fd, &ev)
		     ? -errno
		     : make_bursts(t);
	if (!rc && threaded)
		rc = start(t);
	if (rc) {
		fast_thread_destroy(t);
		t = NULL;
	}
	*t_out = t;
	return rc;
}

void fast_thread_destroy(struct fast_thread *t)
{
	uint64_t one = 1;

	if (!t)
		return;
	if (t->threaded) {
		__atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
		if (write(t->kick_fd, &one, sizeof(one)) == sizeof(one))
			pthread_join(t->thread, NULL);
	}
	while (t->nr_bursts) {
		struct fast_burst *b = t->bursts[--t->nr_bursts];

		nb_batch_destroy(b->batch);
		free(b);
	}
	if (t->kick_fd >= 0)
		close(t->kick_fd);
	if (t->epoll_fd >= 0)
		close(t->epoll_fd);
	pthread_cond_destroy(&t->done);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
