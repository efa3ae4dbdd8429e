/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One row: windows of one test between two ends. A window in which others kept the machine busy does not
 * count and is repeated, once each; medians of those that count.
 */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "policy/bench/bench.h"
#include "policy/bench/load.h"
#include "policy/bench/window.h"

const char *bench_test_name(enum bench_test test)
{
	static const char *const names[] = { "stream", "packets", "round-trip" };

	return names[test];
}

const char *bench_size_text(uint32_t size, char text[16])
{
	if (size)
		snprintf(text, 16, "%u", size);
	else
		snprintf(text, 16, "gso");
	return text;
}

/* ---- datagrams, by our own load ---- */

static json_t *parsed(char *text)
{
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	return doc;
}

static void take_packets(const json_t *sent, const json_t *received, struct window *w)
{
	double seconds = window_number(received, "ns") / 1e9,
	       got = window_number(received, "received");
	double out = window_number(sent, "sent");

	if (seconds <= 0 || out <= 0)
		return;
	w->packets = got / seconds;
	w->received = got;
	w->bytes = window_number(received, "bytes");
	w->bits = w->bytes * 8 / seconds;
	w->lost = fmax(0, (out - got) / out);
}

static void take_round_trips(const json_t *said, struct window *w)
{
	const json_t *rtt = json_object_get(said, "rtt-us");
	double lost = window_number(said, "lost");

	w->rtt_min = window_number(rtt, "min");
	w->rtt_p50 = window_number(rtt, "p50");
	w->rtt_p99 = window_number(rtt, "p99");
	w->lost = lost / fmax(1, lost + window_number(said, "samples"));
}

static int run_load(const struct bench *b, const struct bench_path *p, const struct bench_row *row,
		    struct window *w, char why[BENCH_WHY])
{
	bool pings = row->test == BENCH_ROUND_TRIP;
	char at[BENCH_ADDRESS_LEN], *server_text = NULL, *client_text = NULL;
	struct load near = { pings ? LOAD_PING : LOAD_SEND,
			     p->address,
			     b->port,
			     row->size,
			     b->duration_ms,
			     b->run };
	struct load far = { pings ? LOAD_ECHO : LOAD_SINK,    at,    b->port, row->size,
			    b->duration_ms + WINDOW_GRACE_MS, b->run };
	struct bench_child server, client = { .fd = -1 };
	json_t *sent, *received;
	int rc;

	window_address(p, at);
	rc = bench_child_start(&server, p->ends[1]->pid, NULL, load_run, &far);
	if (rc)
		return rc;
	rc = bench_child_listens(&server, b->port, true, WINDOW_START_MS);
	if (!rc)
		rc = bench_child_start(&client, p->ends[0]->pid, NULL, load_run, &near);
	if (!rc)
		rc = bench_child_wait(&client, (int)b->duration_ms + WINDOW_GRACE_MS, &client_text);
	/* What is still on its way. */
	if (!rc)
		rc = bench_sleep(50);
	bench_child_end(&server);
	if (!rc)
		rc = bench_child_wait(&server, WINDOW_GRACE_MS, &server_text);
	bench_child_kill(&server);
	sent = parsed(client_text);
	received = parsed(server_text);
	if (pings)
		take_round_trips(sent, w);
	else
		take_packets(sent, received, w);
	json_decref(sent);
	json_decref(received);
	if (rc == -EINTR)
		return rc;
	if (rc || (pings ? w->rtt_p50 <= 0 : w->packets <= 0)) {
		snprintf(why, BENCH_WHY, "nothing has come through at %s, UDP port %u", p->address,
			 b->port);
		return -ENETUNREACH;
	}
	return 0;
}

/* ---- a window ---- */

static void take_samples(struct window *w, const struct bench_sample *before,
			 const struct bench_sample *after)
{
	const char *key;
	json_t *value;

	w->elapsed_s = (double)(after->at_ns - before->at_ns) / 1e9;
	w->machine_s = fmax(0, after->machine_s - before->machine_s);
	w->netback_s = (double)(after->netback_cpu_ns - before->netback_cpu_ns) / 1e9;
	w->wait = (double)(after->netback_wait_ns - before->netback_wait_ns) / 1e9 / w->elapsed_s;
	w->others = fmax(0, w->machine_s - (after->ours_s - before->ours_s)) / w->elapsed_s;
	w->softnet_dropped = after->softnet_dropped - before->softnet_dropped;
	w->softnet_squeezed = after->softnet_squeezed - before->softnet_squeezed;
	w->counters = json_object();
	json_object_foreach (after->counters, key, value) {
		json_int_t was = json_integer_value(json_object_get(before->counters, key));
		json_int_t n = json_integer_value(value) - was;

		if (n > 0)
			json_object_set_new(w->counters, key, json_integer(n));
	}
}

/* One packet at a time to an end where nothing of ours runs: its kernel answers. */
static int run_icmp(const struct bench *b, const struct bench_path *p, const struct bench_row *row,
		    struct window *w, char why[BENCH_WHY])
{
	bool back = !p->ends[0]->pid; /* the same way and back */
	const char *far = back ? p->back_address : p->address;
	struct load ping = { LOAD_ICMP, far, 0, row->size, b->duration_ms, b->run };
	struct bench_child client;
	char *text = NULL;
	json_t *said;
	int rc = bench_child_start(&client, p->ends[back]->pid, NULL, load_run, &ping);

	if (!rc)
		rc = bench_child_wait(&client, (int)b->duration_ms + WINDOW_GRACE_MS, &text);
	said = parsed(text);
	take_round_trips(said, w);
	json_decref(said);
	if (rc == -EINTR || (!rc && w->rtt_p50 > 0))
		return rc;
	snprintf(why, BENCH_WHY, "%s does not answer ICMP echo requests", far);
	return -ENETUNREACH;
}

static int run_row(struct bench *b, const struct bench_path *p, const struct bench_row *row,
		   struct window *w, char why[BENCH_WHY])
{
	bool far = !p->ends[0]->pid || !p->ends[1]->pid;

	if (row->test == BENCH_STREAM || (far && row->test == BENCH_PACKETS))
		return window_iperf3(b, p, row, w, why);
	return far ? run_icmp(b, p, row, w, why) : run_load(b, p, row, w, why);
}

static int run_window(struct bench *b, const struct bench_path *p, const struct bench_row *row,
		      const struct bench_watch *watch, struct window *w, char why[BENCH_WHY])
{
	struct bench_sample before, after;
	int rc;

	*w = (struct window){ 0 };
	bench_sample(b, watch, &before);
	rc = run_row(b, p, row, w, why);
	bench_sample(b, watch, &after);
	take_samples(w, &before, &after);
	bench_sample_fini(&before);
	bench_sample_fini(&after);
	return rc;
}

/* ---- a row ---- */

#define MEMBER(w, nr, field) member((w), (nr), offsetof(struct window, field))

static double member(const struct window *w, size_t nr, size_t offset)
{
	double v[BENCH_MAX_WINDOWS];

	for (size_t i = 0; i < nr; i++)
		memcpy(&v[i], (const char *)&w[i] + offset, sizeof(v[i]));
	return bench_median(v, nr);
}

static double spread(const struct bench_row *row, const struct window *w, size_t nr)
{
	double v[BENCH_MAX_WINDOWS];

	for (size_t i = 0; i < nr; i++)
		v[i] = row->test == BENCH_STREAM    ? w[i].bits
		       : row->test == BENCH_PACKETS ? w[i].packets
						    : w[i].rtt_p50;
	return bench_spread(v, nr);
}

static json_t *sum_counters(const struct window *w, size_t nr)
{
	json_t *sum = json_object(), *value;
	const char *key;

	for (size_t i = 0; i < nr; i++)
		json_object_foreach (w[i].counters, key, value)
			json_object_set_new(
				sum, key,
				json_integer(json_integer_value(json_object_get(sum, key)) +
					     json_integer_value(value)));
	return sum;
}

static json_t *cpu_json(const struct bench_row *row, const struct window *w, size_t nr)
{
	double bytes = MEMBER(w, nr, bytes), packets = MEMBER(w, nr, received);
	json_t *cpu = json_pack("{sf sf}", "machine-s", MEMBER(w, nr, machine_s), "netback-s",
				MEMBER(w, nr, netback_s));

	if (bytes > 0) {
		json_object_set_new(cpu, "machine-s-per-gb",
				    json_real(MEMBER(w, nr, machine_s) / (bytes / 1e9)));
		json_object_set_new(cpu, "netback-s-per-gb",
				    json_real(MEMBER(w, nr, netback_s) / (bytes / 1e9)));
	}
	if (row->test == BENCH_PACKETS && packets > 0)
		json_object_set_new(cpu, "machine-us-per-packet",
				    json_real(MEMBER(w, nr, machine_s) * 1e6 / packets));
	return cpu;
}

static const char *name_of(const struct bench_end *end)
{
	return end->is_own ? BENCH_GUEST : end->name;
}

static json_t *result_json(const struct bench_path *p, const struct bench_row *row,
			   const struct window *w, size_t nr, unsigned int rejected)
{
	uint64_t dropped = 0, squeezed = 0;
	char size[16];
	json_t *j = json_pack("{ss ss ss ss ss ss ss ss}", "network", p->network, "mode", p->mode,
			      "datapath", p->datapath, "from", name_of(p->ends[0]), "to",
			      name_of(p->ends[1]), "test", bench_test_name(row->test), "protocol",
			      row->udp ? "udp" : "tcp", "size", bench_size_text(row->size, size));

	for (size_t i = 0; i < nr; i++) {
		dropped += w[i].softnet_dropped;
		squeezed += w[i].softnet_squeezed;
	}
	if (row->test != BENCH_ROUND_TRIP)
		json_object_set_new(j, "bits-per-s", json_real(MEMBER(w, nr, bits)));
	if (row->test == BENCH_STREAM)
		json_object_set_new(j, "retransmits", json_integer(w[0].retransmits));
	if (row->test == BENCH_PACKETS)
		json_object_set_new(j, "packets-per-s", json_real(MEMBER(w, nr, packets)));
	if (row->test != BENCH_STREAM)
		json_object_set_new(j, "lost", json_real(MEMBER(w, nr, lost)));
	if (row->test == BENCH_ROUND_TRIP)
		json_object_set_new(j, "rtt-us",
				    json_pack("{sf sf sf}", "min", MEMBER(w, nr, rtt_min), "p50",
					      MEMBER(w, nr, rtt_p50), "p99",
					      MEMBER(w, nr, rtt_p99)));
	json_object_set_new(j, "cpu", cpu_json(row, w, nr));
	json_object_set_new(j, "noise",
			    json_pack("{sf sf sf si si}", "spread", spread(row, w, nr), "wait",
				      MEMBER(w, nr, wait), "others", MEMBER(w, nr, others),
				      "windows", (int)nr, "rejected", (int)rejected));
	json_object_set_new(j, "counters", sum_counters(w, nr));
	json_object_set_new(j, "attribution",
			    bench_attribution(json_object_get(j, "counters"), dropped, squeezed));
	return j;
}

int bench_measure(struct bench *b, const struct bench_path *p, const struct bench_row *row,
		  char why[BENCH_WHY])
{
	struct window w[BENCH_MAX_WINDOWS];
	unsigned int rejected = 0;
	struct bench_watch watch;
	size_t nr = 0;
	char what[128], size[16];
	int rc = 0;

	snprintf(what, sizeof(what), "%s %.20s-%.20s %s %s %s", p->network, name_of(p->ends[0]),
		 name_of(p->ends[1]), row->udp ? "udp" : "tcp", bench_size_text(row->size, size),
		 bench_test_name(row->test));
	bench_watch_path(b, p, &watch);
	while (!rc && nr < b->windows) {
		bench_progress(b, what);
		rc = run_window(b, p, row, &watch, &w[nr], why);
		if (!rc && w[nr].others > BENCH_OTHERS_MAX && rejected < b->windows) {
			rejected++;
			json_decref(w[nr].counters);
			continue;
		}
		nr++;
		b->done++;
	}
	if (!rc)
		json_array_append_new(b->results, result_json(p, row, w, nr, rejected));
	for (size_t i = 0; i < nr; i++)
		json_decref(w[i].counters);
	return rc;
}
