/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vxl, the command line of vifrost-hvd's toolstack: xl's commands, options, output and words, over
 * hvd.sock. Exit status: 0; 1 it failed; 64 usage; 69 no vifrost-hvd; 77 no permission; 78 a bad
 * domain file.
 */
#ifndef HV_VXL_H
#define HV_VXL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/cli.h"
#include "base/diag.h"

enum { VXL_FAILED = 1 };

int vxl_main(int argc, char **argv);
/* Whether @capabilities, of a real Xen, is there. */
bool vxl_on_xen(const char *capabilities);

/* The command's own options; global ones of the same letter are another thing. NULL: not given. */
const char *vxl_option(const struct cli_command *cmd, const struct cli_parsed *parsed,
		       const char *name);
int vxl_option_count(const struct cli_command *cmd, const struct cli_parsed *parsed,
		     const char *name);
const char *vxl_rundir(void);
/* -N before the command. */
bool vxl_dry_run(void);
int vxl_verbosity(void);

/**
 * vxl_call() - Ask vifrost-hvd
 * @params:	Stolen
 * @timeout_ms:	-1: none; 0: the usual one
 * @result_out:	The caller's; may be NULL
 * Return: 0, or the exit status after saying why.
 */
int vxl_call(const char *method, json_t *params, int timeout_ms, json_t **result_out);
/* The same, silent about an error of @code: then -1 is returned. */
int vxl_call_except(const char *method, json_t *params, int timeout_ms, const char *code,
		    json_t **result_out);

/* Says to the daemon which domain @text is; NULL: no UTF-8, or no memory. */
json_t *vxl_identity(const char *text);
/* A domain by id or name, as xl takes it. Return: 0, or the exit status after saying why. */
int vxl_find(const char *text, json_t **domain_out);
int vxl_find_id(const char *text, unsigned int *domid_out);
/* All domains, or that of @text if it is not NULL. */
int vxl_domains(const char *text, json_t **list_out);

/*
 * vxl_block.c: have @disk's target in the drive at its vdev, if that is one that block.list names, as those of pv and
 * pvh are. 0 or an exit status.
 */
int vxl_change_drive(unsigned int domid, const json_t *disk, bool *here_out);

/* @method's answers for each domain of the arguments, all in one array. Return: 0 or an exit status. */
int vxl_collect(const char *method, const struct cli_parsed *parsed, json_t **list_out);

const char *vxl_text(const json_t *object, const char *key);
json_int_t vxl_number(const json_t *object, const char *key, json_int_t fallback);

/* vxl_print.c: xl's tables, to @out; pure. */
#define VXL_LIST_VERBOSE 1u
#define VXL_LIST_CONTEXT 2u
#define VXL_LIST_POOL	 4u
#define VXL_LIST_NUMA	 8u
void vxl_print_list(const json_t *domains, unsigned int columns, FILE *out);
void vxl_print_networks_head(FILE *out);
void vxl_print_networks(const json_t *vifs, FILE *out);
void vxl_print_blocks_head(FILE *out);
void vxl_print_blocks(const json_t *disks, FILE *out);
void vxl_print_vcpus_head(FILE *out);
void vxl_print_vcpus(const json_t *vcpus, FILE *out);
void vxl_print_exits(const json_t *vcpus, FILE *out);
void vxl_print_uptime(const json_t *domain, bool brief, int64_t now, FILE *out);
void vxl_print_sched_head(FILE *out);
void vxl_print_sched(const json_t *domains, FILE *out);
/* "64", "64m", "1g", "65536k": MiB as xl reads it. -EINVAL. */
int vxl_parse_memory(const char *text, unsigned int *mib_out);
/* As libxl's JSON of a domain; @domid below 0: null. The caller's. */
json_t *vxl_details(const json_t *config, int domid);

/* vxl_console.c: show @tty until Ctrl-], or until the domain is gone. Return: 0 or -errno. */
int vxl_console_open(const char *tty);
/* @fd: taken over. */
int vxl_console_run(int fd);

/* vxl_machine.c: show the domain's screen, in a process of its own if @background. The exit status. */
int vxl_view(unsigned int domid, bool background);

int vxl_create(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_config_update(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_destroy(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_shutdown(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_pause(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_save(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_restore(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_migrate(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_suspend(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_rename(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_console(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_domid(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_domname(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_list(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_network_attach(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_network_detach(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_network_list(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_block_attach(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_block_detach(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_cdrom(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_vncviewer(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_block_list(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_vcpu_list(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_vcpu_pin(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_vcpu_set(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_memory(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_sysrq(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_trigger(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_dump_core(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_sched(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_cpupool_list(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_info(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_dmesg(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_top(const struct cli_command *cmd, struct cli_parsed *parsed);
int vxl_uptime(const struct cli_command *cmd, struct cli_parsed *parsed);

/* xlcfg_parse_vif(), xlcfg_parse_disk() */
typedef int (*vxl_parse_spec)(const char *text, const struct diag_place *place, struct diags *diags,
			      json_t **spec_out);
/* vxl_attach.c: a device of @spec, stolen, to the domain: @key is what @method calls it. The exit status. */
int vxl_attach(const char *method, const char *key, unsigned int domid, json_t *spec);
/* The whole work of a command with DOMAIN SPEC..., "a=.. b=.." or "a=..,b=..". The exit status. */
int vxl_attach_spec(struct cli_parsed *parsed, vxl_parse_spec parse, const char *method,
		    const char *key);
#define VXL_DEVICE_MS 10000 /* xl's, for a backend and its hotplug script */
/* Those that domain.create's answer misses, to stderr. */
void vxl_say_missing(const json_t *made);
/* @params: stolen. @which: as the user calls it. The exit status; -1: there is none, which has not been said. */
int vxl_detach(const char *method, json_t *params, const char *which);

#endif
