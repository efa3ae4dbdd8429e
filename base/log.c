/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

static const char *log_prog = "vifrost";
static enum log_level log_max = LOG_LEVEL_NOTICE;
static bool log_tty;
static void (*log_sink)(enum log_level level, const char *text);

static const char *const level_names[] = {
	[LOG_LEVEL_ERR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info", [LOG_LEVEL_DEBUG] = "debug",
};

void log_init(const char *prog, enum log_level level)
{
	log_prog = prog;
	log_max = level;
	log_tty = isatty(STDERR_FILENO);
}

void log_set_sink(void (*sink)(enum log_level level, const char *text))
{
	log_sink = sink;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (level > log_max && !log_sink)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Values from guests end up in these lines: no control character reaches a terminal. */
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if (log_sink)
		log_sink(level, text);
	else if (log_tty)
		fprintf(stderr, "%s: %s: %s\n", log_prog, level_names[level], text);
	else
		fprintf(stderr, "<%d>%s: %s\n", (int)level, log_prog, text);
}

bool log_limit_take(struct log_limit *limit, uint32_t *suppressed)
{
	uint64_t now = clock_ms();

	if (now - limit->window_start_ms >= LOG_LIMIT_INTERVAL_MS) {
		limit->window_start_ms = now;
		/* The first window is a burst; later ones, as long as the flood lasts, one line each. */
		limit->written = limit->suppressed ? LOG_LIMIT_BURST - 1 : 0;
	}
	if (limit->written >= LOG_LIMIT_BURST) {
		limit->suppressed++;
		return false;
	}
	limit->written++;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
