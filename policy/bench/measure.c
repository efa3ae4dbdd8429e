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

#define START_MS  2000
#define GRACE_MS  8000
#define IPERF3	  "iperf3"
#define NOT_FOUND 126 /* bench_child_start(): no such program */

struct window {
	double bits, packets, lost, rtt_min, rtt_p50, rtt_p99, bytes;
	double machine_s, netback_s, wait, others, elapsed_s;
	json_int_t retransmits;
	json_t *counters; /* what the vifs counted in it */
	uint64_t softnet_dropped, softnet_squeezed;
};

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

static double number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static void listen_address(const struct bench_path *p, char out[BENCH_ADDRESS_LEN])
{
	const struct bench_end *to = p->ends[1];

	if (strchr(p->address, '%'))
		snprintf(out, BENCH_ADDRESS_LEN, "%.*s%%%.*s", INET6_ADDRSTRLEN, to->link_local,
			 IFNAMSIZ - 1, to->device);
	else
		snprintf(out, BENCH_ADDRESS_LEN, "%s", p->address);
}

/* ---- TCP streams, by iperf3 ---- */

static int read_iperf3(const char *text, struct window *w, char why[BENCH_WHY])
{
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
	const json_t *end = json_object_get(doc, "end");
	const json_t *received = json_object_get(end, "sum_received");
	const char *error = json_string_value(json_object_get(doc, "error"));

	if (error || !received) {
		snprintf(why, BENCH_WHY, "iperf3 says: %s", error ? error : "nothing that is JSON");
		json_decref(doc);
		return -EPROTO;
	}
	w->bits = number(received, "bits_per_second");
	w->bytes = number(received, "bytes");
	w->retransmits = json_integer_value(
		json_object_get(json_object_get(end, "sum_sent"), "retransmits"));
	json_decref(doc);
	if (w->bits > 0)
		return 0;
	snprintf(why, BENCH_WHY, "iperf3 has got nothing across");
	return -ENETUNREACH;
}

static int run_iperf3(const struct bench *b, const struct bench_path *p,
		      const struct bench_row *row, struct window *w, char why[BENCH_WHY])
{
	char at[BENCH_ADDRESS_LEN], port[12], seconds[12], size[16], *text = NULL;
	const char *server_argv[] = { IPERF3, "-s", "-1", "-p", port, "-B", at, NULL };
	const char *client_argv[] = { IPERF3,
				      "-c",
				      p->address,
				      "-p",
				      port,
				      "-t",
				      seconds,
				      "-J",
				      "--connect-timeout",
				      "3000",
				      row->size ? "-N" : NULL,
				      "-l",
				      bench_size_text(row->size, size),
				      NULL };
	struct bench_child server = { .fd = -1 }, client;
	bool far = p->ends[1]->pid == 0; /* its iperf3 runs already */
	int rc = 0;

	listen_address(p, at);
	snprintf(port, sizeof(port), "%u", b->port);
	snprintf(seconds, sizeof(seconds), "%u", (b->duration_ms + 999) / 1000);
	if (!far) {
		rc = bench_child_start(&server, p->ends[1]->pid, server_argv, NULL, NULL);
		if (!rc)
			rc = bench_child_listens(&server, b->port, false, START_MS);
		if (rc) {
			rc = bench_child_wait(&server, 0, NULL) == NOT_FOUND ? -ENOENT : rc;
			goto out;
		}
	}
	rc = bench_child_start(&client, p->ends[0]->pid, client_argv, NULL, NULL);
	if (!rc)
		rc = bench_child_wait(&client, (int)b->duration_ms + 1000 + GRACE_MS, &text);
	if (rc == NOT_FOUND)
		rc = -ENOENT;
	else if (rc >= 0)
		rc = read_iperf3(text, w, why);
out:
	bench_child_kill(&server);
	free(text);
	if (rc == -ENOENT)
		snprintf(why, BENCH_WHY, "iperf3 is not installed: apt install iperf3");
	else if (rc == -ECHILD || rc == -ETIMEDOUT)
		snprintf(why, BENCH_WHY, "iperf3 does not get through at %s port %u: %s",
			 p->address, b->port,
			 rc == -ECHILD ? "is the port in use? take another --port"
				       : "does the firewall of the policy let it?");
	else if (rc == -EPROTO && far && strlen(why) < BENCH_WHY - 80)
		snprintf(why + strlen(why), BENCH_WHY - strlen(why),
			 "; there must run: iperf3 -s -p %u", b->port);
	return rc;
}

/* ---- datagrams, by our own load ---- */

static json_t *parsed(char *text)
{
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;

	free(text);
	return doc;
}

static void take_packets(const struct bench_row *row, const json_t *sent, const json_t *received,
			 struct window *w)
{
	double seconds = number(received, "ns") / 1e9, got = number(received, "received");
	double out = number(sent, "sent");

	if (seconds <= 0 || out <= 0)
		return;
	w->packets = got / seconds;
	w->bytes = number(received, "bytes");
	w->bits = w->bytes * 8 / seconds;
	w->lost = fmax(0, (out - got) / out);
	(void)row;
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
	struct load far = { pings ? LOAD_ECHO : LOAD_SINK, at,	  b->port, row->size,
			    b->duration_ms + GRACE_MS,	   b->run };
	struct bench_child server, client = { .fd = -1 };
	json_t *sent, *received;
	const json_t *rtt;
	int rc;

	listen_address(p, at);
	rc = bench_child_start(&server, p->ends[1]->pid, NULL, load_run, &far);
	if (rc)
		return rc;
	rc = bench_child_listens(&server, b->port, true, START_MS);
	if (!rc)
		rc = bench_child_start(&client, p->ends[0]->pid, NULL, load_run, &near);
	if (!rc)
		rc = bench_child_wait(&client, (int)b->duration_ms + GRACE_MS, &client_text);
	/* What is still on its way. */
	if (!rc)
		rc = bench_sleep(50);
	bench_child_end(&server);
	if (!rc)
		rc = bench_child_wait(&server, GRACE_MS, &server_text);
	bench_child_kill(&server);
	sent = parsed(client_text);
	received = parsed(server_text);
	rtt = json_object_get(sent, "rtt-us");
	w->rtt_min = number(rtt, "min");
	w->rtt_p50 = number(rtt, "p50");
	w->rtt_p99 = number(rtt, "p99");
	if (pings)
		w->lost = number(sent, "lost") /
			  fmax(1, number(sent, "lost") + number(sent, "samples"));
	else
		take_packets(row, sent, received, w);
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

static int run_window(struct bench *b, const struct bench_path *p, const struct bench_row *row,
		      const struct bench_watch *watch, struct window *w, char why[BENCH_WHY])
{
	struct bench_sample before, after;
	int rc;

	*w = (struct window){ 0 };
	bench_sample(b, watch, &before);
	rc = row->test == BENCH_STREAM ? run_iperf3(b, p, row, w, why)
				       : run_load(b, p, row, w, why);
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

static json_t *cpu_json(const struct window *w, size_t nr)
{
	double bytes = MEMBER(w, nr, bytes);
	json_t *cpu = json_pack("{sf sf}", "machine-s", MEMBER(w, nr, machine_s), "netback-s",
				MEMBER(w, nr, netback_s));

	if (bytes > 0) {
		json_object_set_new(cpu, "machine-s-per-gb",
				    json_real(MEMBER(w, nr, machine_s) / (bytes / 1e9)));
		json_object_set_new(cpu, "netback-s-per-gb",
				    json_real(MEMBER(w, nr, netback_s) / (bytes / 1e9)));
	}
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
	json_object_set_new(j, "cpu", cpu_json(w, nr));
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
