/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The timer of a try, in a process of its own: vifrost-lifeline. It is armed before the first change and
 * needs nobody any more: neither vifrostd nor a shell or a connection. When time is up it looks into the
 * journal; if its try still stands there unconfirmed, it has vifrostd roll back, and where that does not
 * answer, it takes vifrostd's place and does it itself, by the same code.
 *
 * What is true is on disk: a try is confirmed when the state file says so, and its end is the latest
 * one that its journal names. Nothing that is sent to the lifeline can be lost.
 */
#ifndef POLICY_LIFELINE_H
#define POLICY_LIFELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#define LIFELINE_NAME "vifrost-lifeline"

/* CLOCK_BOOTTIME: never set, and goes on while the machine sleeps. */
uint64_t boottime_ms(void);

/**
 * lifeline_start() - Arm one for try @id
 * One that is left over from a try of before is ended.
 * Return: 0: it runs and its timer is set; -errno.
 */
int lifeline_start(const char *rundir, const char *id, uint64_t until_ms, pid_t *pid_out);
/* Safe when there is none. */
void lifeline_stop(const char *rundir);
bool lifeline_runs(const char *rundir, pid_t *pid_out);

/* When the try whose journal has @meta and @notes ends, boottime_ms(); 0: it is no try. */
uint64_t lifeline_until(const json_t *meta, const json_t *notes);

/* How the last try ended, DIR/last-try.json: {id, outcome, why}. */
void lifeline_tell(const char *state_dir, const char *id, const char *outcome, const char *why);
/* NULL: none. */
json_t *lifeline_told(const char *state_dir);

/* The process itself. @fd: where it says that it is armed: standard input. Return: an exit status. */
int lifeline_run(const char *rundir, const char *id, uint64_t until_ms, int fd);

#endif
