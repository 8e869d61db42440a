// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/probed_libraries.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "userspace/probe/driver.h"
#include "userspace/probe/elf_image.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kTriedPaths = 16;

/// The file that discovery meant, and no other that has its name by now.
Result<UniqueFd> open_library(const TlsLibrary& library) {
  UniqueFd fd(::open(library.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return system_error("open " + library.path, errno);
  struct ::stat file {};
  if (::fstat(fd.get(), &file) != 0) return system_error("stat " + library.path, errno);
  if (file.st_ino != library.inode) return Error{library.path + ": another file is there now"};
  return fd;
}

std::string path_of(const UniqueFd& file) { return "/proc/self/fd/" + std::to_string(file.get()); }

/// The libcrypto that the process maps, or the one that lies beside libssl.
Result<ElfImage> open_libcrypto(const TlsLibrary& library, const std::vector<TlsLibrary>& definers) {
  std::string path = library.path;
  const auto at = path.rfind("libssl");
  if (at != std::string::npos) path.replace(at, 6, "libcrypto");
  return ElfImage::open(definers.empty() ? path : definers.front().path);
}

/// One sentence for what is not known while a purpose has no probe.
void note_loss(ProbePurpose purpose, LibraryCoverage& coverage) {
  if (coverage.state == "blind") return;
  coverage.state = "partly";
  const bool is_error = purpose == ProbePurpose::kError || purpose == ProbePurpose::kErrorLegacy;
  const bool is_late = purpose == ProbePurpose::kPeekEntry || purpose == ProbePurpose::kPeekReturn;
  const bool drives = purpose >= ProbePurpose::kRead;
  const bool is_depth = purpose >= ProbePurpose::kVerifyContext && purpose <= ProbePurpose::kVerifyCallback;
  const std::string loss = is_error  ? "why a handshake failed is not seen"
                           : is_depth ? "which certificate of a chain failed is not seen"
                           : is_late ? "certificates asked for after the handshake are not seen"
                           : drives  ? "not every handshake that it drives by reading is seen"
                                     : "not every resumed session is seen";
  if (coverage.cannot_see.find(loss) != std::string::npos) return;
  coverage.cannot_see += (coverage.cannot_see.empty() ? "" : "; ") + loss;
}

}  // namespace

void ProbedLibraries::begin_scan() {
  for (Files* files : {&libraries_, &programs_}) {
    for (auto& [identity, entry] : *files) {
      entry.in_use = false;
      entry.pids.clear();
    }
  }
}

// Probes pin the file, and with it the file system of a container that may long be gone.
void ProbedLibraries::end_scan(std::uint64_t now_ns) {
  let_go_unused(libraries_, now_ns);
  let_go_unused(programs_, now_ns);
}

void ProbedLibraries::let_go_unused(Files& files, std::uint64_t now_ns) {
  for (auto item = files.begin(); item != files.end();) {
    Library& entry = item->second;
    if (entry.in_use) entry.last_used_ns = now_ns;
    if (now_ns < entry.last_used_ns + kUnusedNs) {
      ++item;
      continue;
    }
    if (!entry.parts.empty()) spdlog::info("{}: no longer used, its probes are taken off", entry.display_path);
    take_off(entry);
    item = files.erase(item);
  }
}

bool ProbedLibraries::needs_definers(const TlsLibrary& library) const {
  const auto found = libraries_.find({library.device, library.inode});
  return found == libraries_.end() || (!found->second.failure.empty() && !found->second.tried.contains(library.path));
}

ProbedLibraries::State ProbedLibraries::use(const TlsLibrary& library, std::uint32_t pid,
                                            const std::vector<TlsLibrary>& definers, bool is_dry) {
  Library& entry = libraries_[{library.device, library.inode}];
  entry.in_use = true;
  if (pid != 0) entry.pids.insert(pid);
  const bool may_help = entry.tried.size() < kTriedPaths && !entry.tried.contains(library.path);
  if (entry.tried.empty() || (!entry.failure.empty() && may_help)) attach(entry, library, definers, is_dry);
  const LibraryCoverage coverage = coverage_of(entry);
  return {coverage.state, coverage.cannot_see};
}

void ProbedLibraries::use_program(const TlsLibrary& program, bool is_dry) {
  const FileIdentity identity{program.device, program.inode};
  const auto known = programs_.find(identity);
  if (known != programs_.end()) known->second.in_use = true;
  if (known != programs_.end() || programs_.size() >= kPrograms) return;
  Library& entry = programs_[identity];
  entry.in_use = true;
  entry.display_path = program.display_path;
  add_program(entry, program, is_dry);
}

bool ProbedLibraries::shows_reads(const TlsLibrary& program) const {
  const auto known = programs_.find({program.device, program.inode});
  if (known == programs_.end() || known->second.parts.empty()) return false;
  const Part& part = known->second.parts.front();
  const auto is_read = [](const auto& one) { return one.purpose == ProbePurpose::kRead || one.purpose == ProbePurpose::kReadResult; };
  std::size_t reads = 0;
  for (std::size_t i = 0; i < part.plan.points.size(); ++i) {
    if (!is_read(part.plan.points[i])) continue;
    // SSL_read_ex tells elsewhere how much it read.
    if (part.plan.points[i].symbol != "SSL_read" || !part.attachment.failures[i].empty()) return false;
    ++reads;
  }
  return reads != 0 && part.attachment.slot && std::none_of(part.plan.unplaced.begin(), part.plan.unplaced.end(), is_read);
}

template <typename Analysis>
Result<ProbedLibraries::Part> ProbedLibraries::make_part(const TlsLibrary& file, const Analysis& analyse, bool is_definer) {
  auto fd = open_library(file);
  if (!fd) return fd.error();
  auto plan = analyse(path_of(*fd));
  if (!plan) return plan.error().in(file.display_path);
  if (plan->name == base_name(path_of(*fd))) plan->name = base_name(file.display_path);
  Part part{std::move(*fd), std::move(*plan), {}, file.display_path, is_definer};
  part.attachment.failures.resize(part.plan.points.size());
  return part;
}

void ProbedLibraries::add_program(Library& entry, const TlsLibrary& program, bool is_dry) {
  auto part = make_part(program, analyse_driver, false);
  if (!part) return spdlog::debug("{}", part.error().message);
  if (part->plan.points.empty()) return;
  entry.parts.push_back(std::move(*part));
  if (!is_dry) attach_part(entry.parts.back());
  spdlog::info("{}: {} probes", entry.display_path, entry.parts.back().attachment.attached);
}

void ProbedLibraries::attach(Library& entry, const TlsLibrary& library, const std::vector<TlsLibrary>& definers, bool is_dry) {
  entry.tried.insert(library.path);
  entry.display_path = library.display_path;
  take_off(entry);
  entry.parts.clear();
  Status status = analyse(entry, library, definers);
  entry.failure = status ? missing_essentials(whole_plan(entry.parts)) : status.error().message;
  if (status) learn_from_libcrypto(entry, library, definers);
  if (entry.parts.size() > 1 && !is_dry) status = kernel_.add_calling_file(library.inode);
  if (entry.failure.empty() && !status) entry.failure = status.error().message;
  if (entry.failure.empty() && !is_dry) attach_parts(entry);
  for (Part& part : entry.parts) part.file = UniqueFd();
  if (!entry.failure.empty()) spdlog::warn("{}: not probed: {}", entry.display_path, entry.failure);
}

/// Its version, which OpenSSL 3 keeps there, and how a verification's context is read.
void ProbedLibraries::learn_from_libcrypto(Library& entry, const TlsLibrary& library, const std::vector<TlsLibrary>& definers) {
  const LibraryPlan& own = entry.parts.front().plan;
  entry.version = own.version;
  if (own.layout.error_depth != 0) return;  // linked in
  const auto libcrypto = open_libcrypto(library, definers);
  if (!libcrypto) return;
  if (entry.version.empty()) entry.version = libcrypto->openssl_version();
  for (Part& part : entry.parts) part.plan.layout = verify_layout(*libcrypto);
}

/// The library's own part first, then those of the libraries that define what its own calls do not show.
Status ProbedLibraries::analyse(Library& entry, const TlsLibrary& library, const std::vector<TlsLibrary>& definers) {
  auto own = make_part(library, analyse_library, false);
  if (!own) return own.error();
  const std::set<ProbePurpose> elsewhere = purposes_elsewhere(own->plan);
  std::erase_if(own->plan.points, [&](const ProbePoint& point) { return elsewhere.contains(point.purpose); });
  entry.parts.push_back(std::move(*own));
  const auto analyse_definer = [&](const std::string& path) { return analyse_definitions(path, elsewhere); };
  for (const TlsLibrary& definer : elsewhere.empty() ? std::vector<TlsLibrary>{} : definers) {
    auto part = make_part(definer, analyse_definer, true);
    if (part) entry.parts.push_back(std::move(*part));
    if (!part) spdlog::warn("{}", part.error().message);
  }
  return Done{};
}

/// All essential probes or none: with some alone "no certificate was seen" would be taken for "none was sent". For the same
/// reason the library's own part, where a handshake begins, comes last.
void ProbedLibraries::attach_parts(Library& entry) {
  std::size_t attached = 0;
  for (auto part = entry.parts.rbegin(); part != entry.parts.rend() && entry.failure.empty(); ++part) {
    attach_part(*part);
    attached += part->attachment.attached;
    for (std::size_t i = 0; i < part->plan.points.size() && entry.failure.empty(); ++i) {
      if (is_essential(part->plan.points[i].purpose)) entry.failure = part->attachment.failures[i];
    }
  }
  if (entry.failure.empty()) return spdlog::info("{}: {} probes", entry.display_path, attached);
  take_off(entry);
}

void ProbedLibraries::attach_part(Part& part) {
  part.attachment = kernel_.attach_library(part.plan, path_of(part.file), return_probes_are_safe_, part.is_definer);
}

LibraryPlan ProbedLibraries::whole_plan(const std::vector<Part>& parts) {
  LibraryPlan whole;
  for (const Part& part : parts) {
    whole.points.insert(whole.points.end(), part.plan.points.begin(), part.plan.points.end());
    whole.unplaced.insert(whole.unplaced.begin(), part.plan.unplaced.begin(), part.plan.unplaced.end());
  }
  return whole;
}

/// The probes go, what is known of the file stays.
void ProbedLibraries::take_off(Library& entry) {
  for (Part& part : entry.parts) {  // the library's own first: no handshake begins from here on
    if (part.attachment.slot) kernel_.detach_library(*part.attachment.slot);
    part.attachment.slot.reset();
    part.attachment.attached = 0;
  }
}

void ProbedLibraries::expect_hits(const FileIdentity& file, std::uint64_t before_ns) {
  const auto found = libraries_.find(file);
  if (found == libraries_.end() || !found->second.failure.empty() || has_seen_essentials(found->second, before_ns)) return;
  found->second.failure = "its probes are attached, but did not fire in a handshake of our own";
  spdlog::error("{}: {}", found->second.display_path, found->second.failure);
  take_off(found->second);
}

bool ProbedLibraries::has_seen_essentials(const Library& entry, std::uint64_t after_ns) const {
  const auto purposes = essential_purposes();
  return std::all_of(purposes.begin(), purposes.end(), [&](ProbePurpose purpose) {
    return std::any_of(entry.parts.begin(), entry.parts.end(), [&](const Part& part) {
      return part.attachment.slot && kernel_.hits(*part.attachment.slot, purpose).last_ns > after_ns;
    });
  });
}

std::vector<LibraryCoverage> ProbedLibraries::coverage() const {
  std::vector<LibraryCoverage> all;
  for (const auto& [identity, entry] : libraries_) all.push_back(coverage_of(entry));
  for (const auto& [identity, entry] : programs_) {
    if (!entry.parts.empty()) all.push_back(coverage_of(entry));
  }
  return all;
}

LibraryCoverage ProbedLibraries::coverage_of(const Library& entry) const {
  LibraryCoverage coverage;
  coverage.path = entry.display_path;
  coverage.version = entry.version;
  coverage.pids.assign(entry.pids.begin(), entry.pids.end());
  if (!entry.parts.empty()) {
    coverage.name = entry.parts.front().plan.name;
    coverage.build_id = entry.parts.front().plan.build_id;
  }
  coverage.state = entry.failure.empty() ? "attached" : "blind";
  for (const Part& part : entry.parts) cover_part(part, coverage);
  if (!entry.failure.empty()) coverage.cannot_see = "no handshake can be seen: " + entry.failure;
  coverage.seen = entry.failure.empty() && has_seen_essentials(entry, 0);
  return coverage;
}

void ProbedLibraries::cover_part(const Part& part, LibraryCoverage& coverage) const {
  for (std::size_t i = 0; i < part.plan.points.size(); ++i) {
    const ProbePoint& point = part.plan.points[i];
    ProbeCoverage probe{point.symbol, text(point.placement), point.file_offset, point.disassembly,
                        point.instruction_class == InstructionClass::kEmulated, part.attachment.failures[i], 0, 0};
    if (part.attachment.slot) {
      const ProbeHits hits = kernel_.hits(*part.attachment.slot, point.purpose);
      probe.hits = hits.count;
      probe.last_hit_ns = hits.last_ns;
    }
    if (!probe.missing.empty()) note_loss(point.purpose, coverage);
    coverage.probes.push_back(std::move(probe));
  }
  for (const UnplacedSymbol& one : part.plan.unplaced) {
    coverage.probes.push_back({one.symbol, "", 0, "", false, one.reason, 0, 0});
    if (!one.is_imported) note_loss(one.purpose, coverage);
  }
  if (part.is_definer) {
    coverage.cost = "some of its calls are probed in " + part.path +
                    " itself, where each call by any process costs about a microsecond";
  }
}

}  // namespace mtlswatch
