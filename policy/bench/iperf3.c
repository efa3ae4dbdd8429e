/* SPDX-License-Identifier: GPL-2.0-or-later */
/* iperf3: its command line, its JSON. One end out of our reach has its server running already. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy/bench/load.h"
#include "policy/bench/window.h"

#define IPERF3	   "iperf3"
#define NOT_FOUND  126 /* bench_child_start(): no such program */
#define MAX_WORDS  24
#define BUSY_TRIES 10 /* a server there has not noticed yet that the last one has gone */
#define BUSY_MS	   300

double window_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

void window_address(const struct bench_path *p, char out[BENCH_ADDRESS_LEN])
{
	const struct bench_end *to = p->ends[1];

	if (strchr(p->address, '%'))
		snprintf(out, BENCH_ADDRESS_LEN, "%.*s%%%.*s", INET6_ADDRSTRLEN, to->link_local,
			 IFNAMSIZ - 1, to->device);
	else
		snprintf(out, BENCH_ADDRESS_LEN, "%s", p->address);
}

static void take(const struct bench_row *row, const json_t *end, struct window *w)
{
	const json_t *received = json_object_get(end, "sum_received");
	const json_t *sent = json_object_get(end, "sum_sent");
	double packets = window_number(received, "packets"),
	       lost = window_number(received, "lost_packets"),
	       seconds = window_number(received, "seconds");

	w->bits = window_number(received, "bits_per_second");
	w->bytes = window_number(received, "bytes");
	w->retransmits = json_integer_value(json_object_get(sent, "retransmits"));
	if (row->udp && seconds > 0 && packets > 0) {
		w->packets = fmax(0, packets - lost) / seconds;
		w->lost = lost / packets;
		w->received = fmax(0, packets - lost);
	}
}

static int read_answer(const char *text, const struct bench_row *row, struct window *w,
		       char why[BENCH_WHY])
{
	json_t *doc = text ? json_loads(text, 0, NULL) : NULL;
	const json_t *end = json_object_get(doc, "end");
	const char *error = json_string_value(json_object_get(doc, "error"));
	int rc = 0;

	if (error || !json_object_get(end, "sum_received")) {
		snprintf(why, BENCH_WHY, "iperf3 says: %.300s",
			 error ? error : "nothing that is JSON");
		rc = -EPROTO;
	} else {
		take(row, end, w);
		if (w->bits <= 0) {
			snprintf(why, BENCH_WHY, "iperf3 has got nothing across");
			rc = -ENETUNREACH;
		}
	}
	json_decref(doc);
	return rc;
}

struct command {
	const char *argv[MAX_WORDS];
	size_t nr;
	char port[12], seconds[12], size[16];
};

static void add(struct command *c, const char *word)
{
	if (c->nr < MAX_WORDS - 1)
		c->argv[c->nr++] = word;
}

static void client_command(const struct bench *b, const struct bench_path *p,
			   const struct bench_row *row, struct command *c)
{
	static const char *const words[] = { "-J", "--connect-timeout", "3000", "-c" };
	bool back = !p->ends[0]->pid;
	const char *to = back ? p->back_address : p->address;
	uint32_t headers = strchr(to, ':') ? 48 : 28;

	*c = (struct command){ 0 };
	snprintf(c->port, sizeof(c->port), "%u", b->port);
	snprintf(c->seconds, sizeof(c->seconds), "%u", (b->duration_ms + 999) / 1000);
	add(c, IPERF3);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		add(c, words[i]);
	add(c, to);
	add(c, "-p");
	add(c, c->port);
	add(c, "-t");
	add(c, c->seconds);
	if (back)
		add(c, "-R");
	if (row->udp) {
		add(c, "-u");
		add(c, "-b");
		add(c, "0");
		snprintf(c->size, sizeof(c->size), "%u",
			 row->size ? row->size - headers : LOAD_GSO_SIZE);
	} else {
		bench_size_text(row->size, c->size);
	}
	if (row->udp || row->size) {
		add(c, "-l");
		add(c, c->size);
	}
	if (!row->udp && row->size)
		add(c, "-N");
}

static int start_server(const struct bench *b, const struct bench_path *p,
			struct bench_child *server)
{
	char at[BENCH_ADDRESS_LEN], port[12];
	const char *argv[] = { IPERF3, "-s", "-1", "-p", port, "-B", at, NULL };
	int rc;

	window_address(p, at);
	snprintf(port, sizeof(port), "%u", b->port);
	rc = bench_child_start(server, p->ends[1]->pid, argv, NULL, NULL);
	if (!rc)
		rc = bench_child_listens(server, b->port, false, WINDOW_START_MS);
	if (rc == -ECHILD && bench_child_wait(server, WINDOW_START_MS, NULL) == NOT_FOUND)
		rc = -ENOENT;
	return rc;
}

static void say(const struct bench *b, const struct bench_path *p, int rc, bool far,
		char why[BENCH_WHY])
{
	size_t len = strlen(why);

	if (rc == -ENOENT)
		snprintf(why, BENCH_WHY, "iperf3 is not installed: apt install iperf3");
	else if (rc == -ECHILD)
		snprintf(why, BENCH_WHY,
			 "iperf3 cannot listen on port %u: is it in use? take another --port",
			 b->port);
	else if (rc == -ETIMEDOUT)
		snprintf(why, BENCH_WHY,
			 "iperf3 does not get through at %s port %u: does the firewall of the "
			 "policy let it?",
			 p->address, b->port);
	else if (rc == -EPROTO && far)
		snprintf(why + len, BENCH_WHY - len, "; there must run: iperf3 -s -p %u", b->port);
}

static int run_client(const struct bench *b, pid_t netns, const struct command *c,
		      const struct bench_row *row, struct window *w, char why[BENCH_WHY])
{
	struct bench_child client;
	char *text = NULL;
	int rc;

	for (int i = 0; i < BUSY_TRIES; i++) {
		rc = bench_child_start(&client, netns, c->argv, NULL, NULL);
		if (!rc)
			rc = bench_child_wait(&client, (int)b->duration_ms + 1000 + WINDOW_GRACE_MS,
					      &text);
		if (rc == NOT_FOUND)
			rc = -ENOENT;
		else if (rc >= 0)
			rc = read_answer(text, row, w, why);
		free(text);
		text = NULL;
		if (rc != -EPROTO || !strstr(why, "busy"))
			break;
		if (bench_sleep(BUSY_MS))
			return -EINTR;
	}
	return rc;
}

int window_iperf3(const struct bench *b, const struct bench_path *p, const struct bench_row *row,
		  struct window *w, char why[BENCH_WHY])
{
	bool back = !p->ends[0]->pid, far = back || !p->ends[1]->pid;
	struct bench_child server = { .fd = -1 };
	struct command c;
	int rc = 0;

	client_command(b, p, row, &c);
	if (!far)
		rc = start_server(b, p, &server);
	if (!rc)
		rc = run_client(b, p->ends[back]->pid, &c, row, w, why);
	bench_child_kill(&server);
	say(b, p, rc, far, why);
	return rc;
}
