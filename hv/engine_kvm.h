/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the rows "pvh" and "pv": a runner process, vifrost-kvm, a domain. */
#ifndef HV_ENGINE_KVM_H
#define HV_ENGINE_KVM_H

#include "hv/engine_priv.h"
#include "hv/kvm/launch.h"

#define KVM_SHIM_MIB 24 /* what xen-shim takes of a pv domain for itself */

/* What the runner is executed with; -1: not there. */
struct kvm_files {
	int device, kernel, modules[KVM_LAUNCH_MAX_MODULES], image;
};

/* @named; or $VIFROST_XEN_SHIM; or Debian's, the newest. -ENOENT with @why. */
int kvm_find_shim(const char *named, char path[PATH_MAX], char why[ENGINE_WHY]);
/* Whether the files that @c names can be had, and this host can run it. */
int kvm_files_open(const struct engine_config *c, struct kvm_files *files, char why[ENGINE_WHY]);
void kvm_files_close(struct kvm_files *files);
/* -ENOMEM with @why: the host has less than @mib that nobody needs, and @promised that others will. */
int kvm_check_memory(unsigned int mib, uint64_t promised, char why[ENGINE_WHY]);

/* Start the runner: PART_SOCKET, PART_CONTROL, PART_FIRST. On failure none is left. */
int kvm_start(struct engine_domain *d, const struct kvm_files *files,
	      const struct cgroup_join *join, char why[ENGINE_WHY]);

/* engine_ops */
int kvm_ask(struct engine_domain *d, const struct engine_question *q);
void kvm_control(struct engine_domain *d);
void kvm_look(struct engine_domain *d);
void kvm_why_not(struct engine_domain *d, char why[ENGINE_WHY]);
int kvm_set_cpus(struct engine_domain *d, const cpu_set_t *cpus, const cpu_set_t *vcpu_cpus,
		 unsigned int nr);
unsigned int kvm_copied(struct engine_domain *d, struct engine_round rounds[ENGINE_MAX_ROUNDS]);
int kvm_vcpu(struct engine_domain *d, unsigned int vcpu, struct engine_vcpu *out);

#endif
