/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One line per event on stderr: "prog: level: text" on a terminal, "<N>text" (sd-daemon(3)) elsewhere.
 * Leaf code returns errors; the level that decides logs, once. Thread-safe.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_NOTICE,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/**
 * log_init() - Name the program in its log lines
 * @prog:	Static string, kept
 * @level:	Lines above it are not written
 */
void log_init(const char *prog, enum log_level level);
/* All lines go to @sink from now on, whatever their level: where we are a guest in another's program. */
void log_set_sink(void (*sink)(enum log_level level, const char *text));
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_err(...)	 log_line(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A budget for lines that a guest can provoke: @burst lines, then one per @interval_ms. Zeroed = full. */
struct log_limit {
	uint64_t window_start_ms; /* CLOCK_MONOTONIC */
	uint32_t written;
	uint32_t suppressed;
};

#define LOG_LIMIT_BURST	      5
#define LOG_LIMIT_INTERVAL_MS 60000

/**
 * log_limit_take() - Ask whether one more line may be written
 * @limit:	 The source's own budget; one thread at a time
 * @suppressed:	 Set to the number of lines swallowed since the last one written
 */
bool log_limit_take(struct log_limit *limit, uint32_t *suppressed);

#define log_limited(limit, ...)                                                                    \
	do {                                                                                       \
		uint32_t log_suppressed_;                                                          \
		if (log_limit_take((limit), &log_suppressed_)) {                                   \
			log_warning(__VA_ARGS__);                                                  \
			if (log_suppressed_)                                                       \
				log_warning("%u similar lines suppressed", log_suppressed_);       \
		}                                                                                  \
	} while (0)

#endif
