// SPDX-License-Identifier: Apache-2.0
#include "userspace/probe/environment.h"

#include <linux/capability.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "userspace/probe/proc_reader.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kFileBytes = 16384;

struct Capability {
  int number;
  const char* name;
  bool fatal;
};
/// CAP_SYS_ADMIN: uprobes through perf need it since CVE-2025-38466; a uprobe_multi link (Linux 6.6) does not.
constexpr std::array<Capability, 6> kCapabilities = {{
    {CAP_BPF, "CAP_BPF", true},
    {CAP_PERFMON, "CAP_PERFMON", true},
    {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", false},
    {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", true},
    {CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", false},
    {CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", false},
}};

/// A small file's text without its last line's end; nothing where it cannot be read.
std::optional<std::string> read_text(const std::string& path) {
  auto text = read_bounded(path, kFileBytes);
  if (!text) return std::nullopt;
  text->erase(text->find_last_not_of(" \n") + 1);
  return *text;
}

EnvironmentCheck check_release(const EnvironmentRoots& roots) {
  const auto release = read_text(roots.proc + "/sys/kernel/osrelease");
  return {"kernel", release.has_value(), release ? "Linux " + *release : "unknown",
          release ? "" : "Mount /proc, so that the agent can read the kernel's release and the host's processes.",
          !release};
}

EnvironmentCheck check_btf(const EnvironmentRoots& roots) {
  const std::string path = roots.sys + "/kernel/btf/vmlinux";
  const auto btf = read_bounded(path, 2);  // BTF_MAGIC, 0xeb9f
  const bool ok = btf && btf->size() == 2 && (*btf == "\x9f\xeb" || *btf == "\xeb\x9f");
  const std::string detail = ok ? path + " is there" : btf ? path + " holds no BTF" : btf.error().message;
  return {"btf", ok, detail, ok ? "" : "Use a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys.", !ok};
}

std::optional<std::uint64_t> effective_capabilities(const EnvironmentRoots& roots) {
  const auto status = read_text(roots.proc + "/self/status");
  if (!status) return std::nullopt;
  const auto line = status->find("\nCapEff:");
  if (line == std::string::npos) return std::nullopt;
  const auto begin = status->find_first_not_of(" \t", line + 8);
  if (begin == std::string::npos) return std::nullopt;
  std::uint64_t mask = 0;
  const auto [end, error] = std::from_chars(status->data() + begin, status->data() + status->size(), mask, 16);
  return error == std::errc() ? std::optional(mask) : std::nullopt;
}

EnvironmentCheck check_capabilities(const EnvironmentRoots& roots, UprobePath uprobes) {
  const auto mask = effective_capabilities(roots);
  if (!mask) {
    return {"capabilities", false, roots.proc + "/self/status tells no effective capabilities",
            "Mount /proc for the agent.", true};
  }
  std::string missing;
  bool fatal = false;
  const bool admin = (*mask >> CAP_SYS_ADMIN & 1) != 0;
  for (const Capability& capability : kCapabilities) {
    const bool implied = admin && (capability.number == CAP_BPF || capability.number == CAP_PERFMON ||
                                   capability.number == CAP_CHECKPOINT_RESTORE);
    const bool unneeded = capability.number == CAP_SYS_ADMIN && uprobes == UprobePath::kMultiLink;
    if (implied || unneeded || (*mask >> capability.number & 1) != 0) continue;
    missing += (missing.empty() ? "" : ", ") + std::string(capability.name);
    fatal |= capability.fatal;
  }
  if (missing.empty()) return {"capabilities", true, "all that are needed are effective", "", false};
  const std::string advice = "Run the agent as root, or give its service these capabilities: " + missing + ".";
  return {"capabilities", false, "missing: " + missing, advice, fatal};
}

/// Never a failure: with CAP_PERFMON the kernel does not ask for it, except for Debian's patched level above 2.
EnvironmentCheck check_paranoia(const EnvironmentRoots& roots) {
  const auto level = read_text(roots.proc + "/sys/kernel/perf_event_paranoid");
  int value = 0;
  if (level) std::from_chars(level->data(), level->data() + level->size(), value);
  const bool high = value > 2;
  return {"perf_event_paranoid", true, level.value_or("not there"),
          high ? "If uprobes cannot be attached, set the sysctl kernel.perf_event_paranoid to 2 or give CAP_SYS_ADMIN."
               : "",
          false};
}

/// The file shows all modes, the one in force in brackets: "none [integrity] confidentiality".
EnvironmentCheck check_lockdown(const EnvironmentRoots& roots) {
  const auto modes = read_text(roots.sys + "/kernel/security/lockdown");
  if (!modes) return {"lockdown", true, "not in use", "", false};
  const bool locked = modes->find("[confidentiality]") != std::string::npos;
  return {"lockdown", !locked, *modes,
          locked ? "Boot with lockdown=integrity or without lockdown: in confidentiality mode BPF may not read memory."
                 : "",
          locked};
}

EnvironmentCheck check_uprobes(const EnvironmentRoots& roots) {
  const auto type = read_text(roots.sys + "/bus/event_source/devices/uprobe/type");
  const bool ok = type && !type->empty();
  return {"uprobes", ok, ok ? "perf event type " + *type : "the kernel offers no uprobes",
          ok ? "" : "Use a kernel built with CONFIG_UPROBE_EVENTS=y, and mount /sys.", !ok};
}

/// In the initial user namespace /proc/self/uid_map maps the whole range onto itself.
EnvironmentCheck check_user_namespace(const EnvironmentRoots& roots) {
  const auto map = read_text(roots.proc + "/self/uid_map");
  std::array<std::uint64_t, 3> fields{};
  const char* position = map ? map->data() : nullptr;
  const char* const end = map ? map->data() + map->size() : nullptr;
  for (auto& field : fields) {
    while (position != end && *position == ' ') ++position;
    position = std::from_chars(position, end, field).ptr;
  }
  const bool initial = fields[0] == 0 && fields[1] == 0 && fields[2] == 4294967295u;
  return {"user_namespace", initial, initial ? "the initial one" : "uids are mapped: " + map.value_or("unknown"),
          initial ? ""
                  : "Run the agent in the host's own user namespace; capabilities of another one do not count for BPF.",
          !initial};
}

}  // namespace

std::vector<EnvironmentCheck> check_environment(const EnvironmentRoots& roots, UprobePath uprobes) {
  return {check_release(roots),  check_btf(roots),     check_capabilities(roots, uprobes),  check_paranoia(roots),
          check_lockdown(roots), check_uprobes(roots), check_user_namespace(roots)};
}

}  // namespace mtlswatch
