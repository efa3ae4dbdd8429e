/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every key of xl.cfg(5) and xl.conf(5), and ours. What acts on it is said here and nowhere else. */
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "hv/xlcfg_priv.h"

static const char *const types[] = { "ns", "pv", "pvh", "hvm", NULL };
static const char *const frontends[] = { "tap", "program", NULL };
static const char *const builders[] = { "generic", "linux", "pv", "pvh", "hvm", NULL };
static const char *const backends[] = { "0", "Domain-0", NULL };
static const char *const formats[] = { "json", NULL }; /* sxp is long gone */
static const char *const actions[] = { "destroy",  "restart",	       "rename-restart",
				       "preserve", "coredump-destroy", "coredump-restart",
				       NULL };

#define NR(keys) (sizeof(keys) / sizeof((keys)[0]))
#define VM_TYPES (TYPE_PV | TYPE_PVH | TYPE_HVM)
#define NUMBER(name_, acts_, min_, max_)                                                           \
	{                                                                                          \
		.name = name_, .type = KEY_NUMBER, .acts = acts_, .min = min_, .max = max_         \
	}
#define STRING(name_, acts_)                                                                       \
	{                                                                                          \
		.name = name_, .type = KEY_STRING, .acts = acts_                                   \
	}
#define BOOL(name_, acts_)                                                                         \
	{                                                                                          \
		.name = name_, .type = KEY_BOOL, .acts = acts_, .max = 1                           \
	}
#define TEXT(name_, acts_)                                                                         \
	{                                                                                          \
		.name = name_, .type = KEY_TEXT, .acts = acts_                                     \
	}
#define CHOICE(name_, acts_, choices_)                                                             \
	{                                                                                          \
		.name = name_, .type = KEY_CHOICE, .acts = acts_, .choices = choices_              \
	}
#define IGNORED(name_)                                                                             \
	{                                                                                          \
		.name = name_, .type = KEY_ANY                                                     \
	}

static const struct xlcfg_key domain_keys[] = {
	STRING("name", TYPE_ALL),
	CHOICE("type", TYPE_ALL, types),
	CHOICE("builder", TYPE_ALL, builders),
	STRING("uuid", TYPE_ALL),
	NUMBER("memory", TYPE_ALL, 1, 1u << 24),
	NUMBER("maxmem", TYPE_ALL, 1, 1u << 24),
	NUMBER("vcpus", TYPE_ALL, 1, 128),
	NUMBER("maxvcpus", TYPE_ALL, 1, 128),
	{ .name = "cpus", .type = KEY_CPUS, .acts = TYPE_ALL },
	{ .name = "vif", .type = KEY_VIFS, .acts = TYPE_ALL },
	{ .name = "disk", .type = KEY_DISKS, .acts = VM_TYPES },
	CHOICE("on_poweroff", TYPE_ALL, actions),
	CHOICE("on_reboot", TYPE_ALL, actions),
	CHOICE("on_crash", TYPE_ALL, actions),
	{ .name = "init", .type = KEY_COMMAND, .acts = TYPE_NS },
	TEXT("root", TYPE_ALL),
	CHOICE("frontend", TYPE_NS, frontends),
	STRING("kernel", VM_TYPES),
	STRING("ramdisk", VM_TYPES),
	STRING("bootloader", TYPE_PV | TYPE_PVH),
	{ .name = "bootloader_args", .type = KEY_ARGS, .acts = TYPE_PV | TYPE_PVH },
	TEXT("cmdline", VM_TYPES),
	BOOL("pvshim", TYPE_PV | TYPE_PVH),
	STRING("pvshim_path", TYPE_PV),
	TEXT("pvshim_cmdline", TYPE_PV),
	TEXT("pvshim_extra", TYPE_PV),
	TEXT("extra", VM_TYPES),
	TEXT("ip", VM_TYPES),
	TEXT("netmask", VM_TYPES),
	TEXT("gateway", VM_TYPES),
	TEXT("nfs_server", VM_TYPES),
	TEXT("nfs_root", VM_TYPES),
	TEXT("dhcp", VM_TYPES),
	TEXT("hostname", VM_TYPES),
	NUMBER("cpu_weight", TYPE_ALL, 1, 65535),
	NUMBER("cap", TYPE_ALL, 0, 12800),
	TEXT("boot", TYPE_HVM),
	BOOL("vnc", TYPE_HVM),
	BOOL("localtime", TYPE_HVM),
	BOOL("acpi", TYPE_HVM),
	BOOL("apic", TYPE_HVM),
	BOOL("pae", TYPE_HVM),
	BOOL("hpet", TYPE_HVM),
	BOOL("nographic", TYPE_HVM),
	BOOL("stdvga", TYPE_HVM),
	STRING("vga", TYPE_HVM),
	BOOL("sdl", TYPE_HVM),
	BOOL("opengl", TYPE_HVM),
	STRING("display", TYPE_HVM),
	STRING("xauthority", TYPE_HVM),
	TEXT("vnclisten", TYPE_HVM),
	NUMBER("vncdisplay", TYPE_HVM, 0, 9999),
	BOOL("vncunused", TYPE_HVM),
	TEXT("vncpasswd", TYPE_HVM),
	STRING("keymap", TYPE_HVM),
	{ .name = "serial", .type = KEY_WORDS, .acts = TYPE_HVM },
	BOOL("usb", TYPE_HVM),
	NUMBER("usbversion", TYPE_HVM, 1, 3),
	{ .name = "usbdevice", .type = KEY_WORDS, .acts = TYPE_HVM },
	STRING("device_model_version", TYPE_HVM),
	STRING("device_model_override", TYPE_HVM),

	IGNORED("acpi_firmware"),
	IGNORED("acpi_laptop_slate"),
	IGNORED("acpi_s3"),
	IGNORED("acpi_s4"),
	IGNORED("altp2m"),
	IGNORED("altp2m_count"),
	IGNORED("altp2mhvm"),
	IGNORED("arm_sci"),
	IGNORED("bios"),
	IGNORED("bios_path_override"),
	IGNORED("bootloader_restrict"),
	IGNORED("bootloader_user"),
	IGNORED("channel"),
	IGNORED("claim_mode"),
	IGNORED("cpuid"),
	IGNORED("cpus_soft"),
	IGNORED("device_model"),
	IGNORED("device_model_args"),
	IGNORED("device_model_args_hvm"),
	IGNORED("device_model_args_pv"),
	IGNORED("device_model_stubdomain_override"),
	IGNORED("device_model_stubdomain_seclabel"),
	IGNORED("device_model_user"),
	IGNORED("device_tree"),
	IGNORED("dm_restrict"),
	IGNORED("driver_domain"),
	IGNORED("dtdev"),
	IGNORED("e820_host"),
	IGNORED("extratime"),
	IGNORED("firmware"),
	IGNORED("firmware_override"),
	IGNORED("gfx_passthru"),
	IGNORED("gic_version"),
	IGNORED("hap"),
	IGNORED("hdtype"),
	IGNORED("hvm_pirq"),
	IGNORED("init_seclabel"),
	IGNORED("iomem"),
	IGNORED("ioports"),
	IGNORED("irqs"),
	IGNORED("latency"),
	IGNORED("llc_colors"),
	IGNORED("max_event_channels"),
	IGNORED("max_grant_frames"),
	IGNORED("max_grant_version"),
	IGNORED("max_maptrack_frames"),
	IGNORED("mca_caps"),
	IGNORED("mmio_hole"),
	IGNORED("ms_vm_genid"),
	IGNORED("msr_relaxed"),
	IGNORED("nestedhvm"),
	IGNORED("nodes"),
	IGNORED("nomigrate"),
	IGNORED("nr_spis"),
	IGNORED("nx"),
	IGNORED("on_soft_reset"),
	IGNORED("on_watchdog"),
	IGNORED("oos"),
	IGNORED("p9"),
	IGNORED("passthrough"),
	IGNORED("pci"),
	IGNORED("pci_msitranslate"),
	IGNORED("pci_permissive"),
	IGNORED("pci_power_mgmt"),
	IGNORED("pci_seize"),
	IGNORED("period"),
	IGNORED("pool"),
	IGNORED("pvcalls"),
	IGNORED("pvh"),
	IGNORED("rdm"),
	IGNORED("rdm_mem_boundary"),
	IGNORED("rtc_timeoffset"),
	IGNORED("sched_params"),
	IGNORED("seclabel"),
	IGNORED("shadow_memory"),
	IGNORED("slice"),
	IGNORED("smbios"),
	IGNORED("smbios_firmware"),
	IGNORED("soundhw"),
	IGNORED("spice"),
	IGNORED("spice_clipboard_sharing"),
	IGNORED("spice_image_compression"),
	IGNORED("spice_streaming_video"),
	IGNORED("spiceagent_mouse"),
	IGNORED("spicedisable_ticketing"),
	IGNORED("spicehost"),
	IGNORED("spicepasswd"),
	IGNORED("spiceport"),
	IGNORED("spicetls_port"),
	IGNORED("spiceusbredirection"),
	IGNORED("spicevdagent"),
	IGNORED("stubdomain_cmdline"),
	IGNORED("stubdomain_kernel"),
	IGNORED("stubdomain_memory"),
	IGNORED("stubdomain_ramdisk"),
	IGNORED("sve"),
	IGNORED("tee"),
	IGNORED("timer_mode"),
	IGNORED("trap_unmapped_accesses"),
	IGNORED("tsc_mode"),
	IGNORED("usbctrl"),
	IGNORED("usbdev"),
	IGNORED("vdispl"),
	IGNORED("vendor_device"),
	IGNORED("vfb"),
	IGNORED("videoram"),
	IGNORED("vif2"),
	IGNORED("viridian"),
	IGNORED("virtio"),
	IGNORED("vkb"),
	IGNORED("vkb_device"),
	IGNORED("vmtrace_buf_kb"),
	IGNORED("vncviewer"),
	IGNORED("vnuma"),
	IGNORED("vpmu"),
	IGNORED("vpt_align"),
	IGNORED("vsnd"),
	IGNORED("vtpm"),
	IGNORED("vuart"),
	IGNORED("xen_platform_pci"),
	IGNORED("xen_platform_pci_bar_uc"),
	IGNORED("xend_suspend_evtchn_compat"),
	IGNORED("xenstore_feature_mask"),
	IGNORED("xenstore_quota"),
};

static const struct xlcfg_key global_keys[] = {
	STRING("vif.default.bridge", TYPE_ALL),
	STRING("vif.default.script", TYPE_ALL),
	STRING("vif.default.gatewaydev", TYPE_ALL),
	CHOICE("vif.default.backend", TYPE_ALL, backends),
	{ .name = "vm.cpumask", .type = KEY_CPUS, .acts = TYPE_ALL },
	{ .name = "vm.pv.cpumask", .type = KEY_CPUS, .acts = TYPE_ALL },
	{ .name = "vm.hvm.cpumask", .type = KEY_CPUS, .acts = TYPE_ALL },
	CHOICE("output_format", TYPE_ALL, formats),

	IGNORED("autoballoon"),
	IGNORED("blkdev_start"),
	IGNORED("claim_mode"),
	IGNORED("colo.default.proxyscript"),
	IGNORED("domid_policy"),
	IGNORED("lockfile"),
	IGNORED("max_grant_frames"),
	IGNORED("max_grant_version"),
	IGNORED("max_maptrack_frames"),
	IGNORED("remus.default.netbufscript"),
	IGNORED("run_hotplug_scripts"),
};

const struct xlcfg_table xlcfg_global_table = { global_keys, NR(global_keys),
						"allowed: the keys of xl.conf(5)" };
const struct xlcfg_table xlcfg_domain_table = { domain_keys, NR(domain_keys),
						"allowed: the keys of xl.cfg(5), init" };

int xlcfg_key_find(const struct xlcfg_table *table, const char *name)
{
	for (size_t i = 0; i < table->nr; i++)
		if (!strcmp(table->keys[i].name, name))
			return (int)i;
	return -1;
}

const char *xlcfg_key_nearest(const struct xlcfg_table *table, const char *name)
{
	const char *names[NR(domain_keys) + 1];

	for (size_t i = 0; i < table->nr; i++)
		names[i] = table->keys[i].name;
	names[table->nr] = NULL;
	return text_nearest(name, names);
}
