/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hv/hvm/hvm_args.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/hvm/hvm_args_priv.h"

#define MEMORY_MAX   (1u << 20) /* MiB */
#define NAME_LEN_MAX 63

const char *hvm_text(const json_t *object, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : fallback;
}

void hvm_refuse(struct hvm_builder *b, const char *key, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (b->rc)
		return;
	b->rc = -EINVAL;
	n = snprintf(b->why, ENGINE_WHY, "%s: ", key);
	va_start(ap, fmt);
	vsnprintf(b->why + n, ENGINE_WHY - (size_t)n, fmt, ap);
	va_end(ap);
}

unsigned int hvm_number(struct hvm_builder *b, const json_t *object, const char *key,
			unsigned int min, unsigned int max, unsigned int fallback)
{
	const json_t *value = json_object_get(object, key);
	json_int_t number = json_integer_value(value);

	if (!value)
		return fallback;
	if (json_is_integer(value) && number >= min && number <= max)
		return (unsigned int)number;
	hvm_refuse(b, key, "allowed: %u to %u", min, max);
	return fallback;
}

bool hvm_flag(struct hvm_builder *b, const char *key, bool fallback)
{
	return hvm_number(b, b->config, key, 0, 1, fallback);
}

const char *hvm_word(const struct hvm_builder *b, const char *key, size_t i)
{
	const json_t *value = json_object_get(b->config, key);

	if (json_is_array(value))
		return json_string_value(json_array_get(value, i));
	return i ? NULL : json_string_value(value);
}

static void put_text(struct hvm_builder *b, char *text)
{
	struct hvm_args *a = b->args;

	/* The last place is the NULL's. */
	if (text && a->nr_args < HVM_MAX_ARGS - 1) {
		a->argv[a->nr_args++] = text;
		return;
	}
	free(text);
	b->rc = b->rc ? b->rc : text ? -E2BIG : -ENOMEM;
}

void hvm_put(struct hvm_builder *b, const char *option, const char *fmt, ...)
{
	char *text;
	va_list ap;

	if (b->rc)
		return;
	if (option)
		put_text(b, strdup(option));
	if (!fmt)
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	put_text(b, text);
}

int hvm_take_fd(struct hvm_builder *b)
{
	return b->args->next_fd++;
}

int hvm_put_file(struct hvm_builder *b, const char *key, const char *path, bool writable, bool copy)
{
	struct hvm_args *a = b->args;

	if (path[0] != '/' || strlen(path) >= PATH_MAX) {
		hvm_refuse(b, key,
			   "\"%.80s\": allowed: the absolute path of a file or block device", path);
		return -1;
	}
	if (a->nr_files == HVM_MAX_FILES) {
		hvm_refuse(b, key, "allowed: %d files in all", HVM_MAX_FILES);
		return -1;
	}
	a->files[a->nr_files] = (struct hvm_file){ hvm_take_fd(b), writable, copy, path };
	return a->files[a->nr_files++].fd;
}

static const char *on_off(bool on)
{
	return on ? "on" : "off";
}

static void put_machine(struct hvm_builder *b)
{
	const char *name = hvm_text(b->config, "name", "hvm"), *uuid;
	bool acpi = hvm_flag(b, "acpi", true), hpet = hvm_flag(b, "hpet", true);

	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+") !=
		    strlen(name) ||
	    !*name || strlen(name) > NAME_LEN_MAX)
		hvm_refuse(b, "name", "allowed: 1 to %d letters, digits and - _ . +", NAME_LEN_MAX);
	hvm_put(b, NULL, "%s", b->args->program);
	hvm_put(b, "-nodefaults", NULL);
	hvm_put(b, "-no-user-config", NULL);
	hvm_put(b, "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	hvm_put(b, "-name", "guest=%s,debug-threads=on", name);
	uuid = hvm_text(b->config, "uuid", NULL);
	if (uuid && strspn(uuid, "0123456789abcdefABCDEF-") != strlen(uuid))
		hvm_refuse(b, "uuid", "allowed: hexadecimal digits and -");
	if (uuid)
		hvm_put(b, "-uuid", "%s", uuid);
	hvm_put(b, "-machine",
		"pc,usb=off,vmport=off,dump-guest-core=off,memory-backend=ram,acpi=%s,hpet=%s",
		on_off(acpi), on_off(hpet));
	hvm_put(b, "-accel", "%s", b->host->kvm ? "kvm" : "tcg,tb-size=128");
	hvm_put(b, "-cpu", "%s%s%s", b->host->kvm ? "host" : "max",
		hvm_flag(b, "apic", true) ? "" : ",apic=off",
		hvm_flag(b, "pae", true) ? "" : ",pae=off");
	/* A guest that resets or ends is made anew or not by the toolstack, as its on_* say. */
	hvm_put(b, "-action", "reboot=shutdown,shutdown=poweroff,panic=shutdown");
	hvm_put(b, "-device", "pvpanic");
}

static void put_memory_and_cpus(struct hvm_builder *b)
{
	unsigned int memory = hvm_number(b, b->config, "memory", 4, MEMORY_MAX, 128);
	unsigned int vcpus = hvm_number(b, b->config, "vcpus", 1, HVM_MAX_VCPUS, 1);
	unsigned int most = hvm_number(b, b->config, "maxvcpus", vcpus, HVM_MAX_VCPUS, vcpus);

	hvm_put(b, "-m", "%uM", memory);
	/* Shared, so that a switch may have it mapped too. */
	hvm_put(b, "-object", "memory-backend-memfd,id=ram,share=on,size=%uM", memory);
	hvm_put(b, "-smp", "cpus=%u,maxcpus=%u", vcpus, most);
}

static void put_clock(struct hvm_builder *b)
{
	hvm_put(b, "-rtc", "base=%s", hvm_flag(b, "localtime", false) ? "localtime" : "utc");
}

/* What Xen starts an hvm domain with: files of old guides name it, and it is no kernel. */
static bool is_hvmloader(const char *kernel)
{
	const char *slash = strrchr(kernel, '/');

	return !strcmp(slash ? slash + 1 : kernel, "hvmloader");
}

static void put_kernel(struct hvm_builder *b)
{
	const char *kernel = hvm_text(b->config, "kernel", NULL);
	const char *ramdisk = hvm_text(b->config, "ramdisk", NULL);
	const char *cmdline = hvm_text(b->config, "cmdline", NULL);
	const char *root = hvm_text(b->config, "root", NULL);
	const char *extra = hvm_text(b->config, "extra", "");

	if (!kernel || is_hvmloader(kernel))
		return;
	hvm_put(b, "-kernel", "/proc/self/fd/%d", hvm_put_file(b, "kernel", kernel, false, true));
	if (ramdisk)
		hvm_put(b, "-initrd", "/proc/self/fd/%d",
			hvm_put_file(b, "ramdisk", ramdisk, false, true));
	if (cmdline)
		hvm_put(b, "-append", "%s", cmdline);
	else
		hvm_put(b, "-append", "%s%s%s%s", root ? "root=" : "", root ? root : "",
			root ? " " : "", extra);
}

/* One port is there even if it is not asked for: without it "vxl console" would show nothing. */
static void put_serial(struct hvm_builder *b)
{
	const char *word = hvm_word(b, "serial", 0);

	if (hvm_word(b, "serial", 1))
		hvm_refuse(b, "serial", "there is one port; allowed: \"pty\", \"none\"");
	if (word && !strcmp(word, "none"))
		return;
	if (word && strcmp(word, "pty"))
		hvm_refuse(b, "serial", "\"%.64s\": allowed: \"pty\" (vxl console), \"none\"",
			   word);
	hvm_put(b, "-chardev", "serial,id=console,path=%s", b->host->console);
	hvm_put(b, "-device", "isa-serial,chardev=console");
}

static void put_usb(struct hvm_builder *b)
{
	static const char *const hosts[] = { "piix3-usb-uhci", "usb-ehci", "nec-usb-xhci" };
	static const struct {
		const char *name, *device;
	} devices[] = { { "tablet", "usb-tablet" },
			{ "mouse", "usb-mouse" },
			{ "keyboard", "usb-kbd" } };
	unsigned int version = hvm_number(b, b->config, "usbversion", 1, 3, 1);
	const char *word = hvm_word(b, "usbdevice", 0);

	if (!hvm_flag(b, "usb", false) && !word && !json_object_get(b->config, "usbversion"))
		return;
	hvm_put(b, "-device", "%s,id=usb", hosts[version - 1]);
	for (size_t i = 0; word; word = hvm_word(b, "usbdevice", ++i)) {
		const char *device = NULL;

		for (size_t j = 0; j < sizeof(devices) / sizeof(*devices); j++)
			if (!strcmp(devices[j].name, word))
				device = devices[j].device;
		if (!device)
			hvm_refuse(
				b, "usbdevice",
				"\"%.64s\": allowed: \"tablet\", \"mouse\", \"keyboard\"; a device "
				"of the host cannot be passed through",
				word);
		hvm_put(b, "-device", "%s,bus=usb.0", device);
	}
}

static void put_control(struct hvm_builder *b)
{
	hvm_put(b, "-chardev", "socket,id=qmp,fd=%d", HVM_FD_QMP);
	hvm_put(b, "-mon", "chardev=qmp,mode=control");
	/* What is plugged in by QMP must be there before anything runs. */
	for (unsigned int i = 0; i < b->args->nr_nics; i++)
		b->args->has_vhost |= b->args->nics[i].fd < 0;
	if (b->paused || b->args->has_vhost)
		hvm_put(b, "-S", NULL);
}

static void find_program(struct hvm_builder *b)
{
	const char *model = hvm_text(b->config, "device_model_version", "qemu-xen");
	const char *path = hvm_text(b->config, "device_model_override", HVM_QEMU);

	if (strcmp(model, "qemu-xen"))
		hvm_refuse(b, "device_model_version",
			   "\"%.64s\": allowed: \"qemu-xen\", which is this host's QEMU", model);
	if (path[0] != '/')
		hvm_refuse(b, "device_model_override", "allowed: the absolute path of a QEMU");
	b->args->program = path;
}

const char *hvm_boot(struct hvm_builder *b, char letter, char text[32])
{
	const char *order = hvm_text(b->config, "boot", "cda"), *at = strchr(order, letter);

	if (!at)
		return "";
	/* Index 0 is the kernel's, given by QEMU; devices of one letter in the config's order. */
	snprintf(text, 32, ",bootindex=%u", (unsigned int)(at - order) * 64 + 1 + b->next_boot++);
	return text;
}

static void put_boot(struct hvm_builder *b)
{
	const char *order = hvm_text(b->config, "boot", "cda");

	for (const char *p = order; *p; p++)
		if (!strchr("acdn", *p) || strchr(p + 1, *p))
			hvm_refuse(b, "boot",
				   "\"%.16s\": allowed: c (disk), d (CD-ROM), n (network) and a "
				   "(floppy), each once",
				   order);
	hvm_put(b, "-boot", "strict=on");
}

int hvm_args_build(const json_t *config, const struct hvm_host *host, bool paused,
		   struct hvm_args *args, char why[ENGINE_WHY])
{
	static void (*const steps[])(struct hvm_builder * b) = {
		find_program, put_machine, put_memory_and_cpus, put_clock,
		put_boot,     put_kernel,  hvm_put_disks,	hvm_put_nics,
		put_serial,   put_usb,	   hvm_put_display,	put_control,
	};
	struct hvm_builder b = { config, host, args, paused, why, 0, 0 };

	*args = (struct hvm_args){ .next_fd = HVM_FD_FIRST };
	why[0] = '\0';
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps) && !b.rc; i++)
		steps[i](&b);
	return b.rc;
}

void hvm_args_fini(struct hvm_args *args)
{
	for (unsigned int i = 0; i < args->nr_args; i++)
		free(args->argv[i]);
	for (unsigned int i = 0; i < args->nr_env; i++)
		free(args->env[i]);
	*args = (struct hvm_args){ 0 };
}
