// SPDX-License-Identifier: Apache-2.0
// The TLS libraries that are probed: each file once, for as long as a process uses it. A file is held open from its analysis
// until its probes hold it, so that the instructions that were looked at are those that are probed. Used by the watcher, on
// its thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "userspace/base/unique_fd.h"
#include "userspace/model/coverage.h"
#include "userspace/probe/kernel.h"
#include "userspace/probe/library.h"
#include "userspace/probe/proc_reader.h"

namespace mtlswatch {

class ProbedLibraries {
 public:
  /// What a process is told of its library: "attached", "partly" or "blind", and why.
  struct State {
    std::string coverage;
    std::string reason;
  };

  ProbedLibraries(Kernel& kernel, bool return_probes_are_safe) : kernel_(kernel), return_probes_are_safe_(return_probes_are_safe) {}

  /// Between these two every library in use is named; one that nobody has used for kUnusedNs is let go at the end.
  void begin_scan();
  void end_scan(std::uint64_t now_ns);

  /// pid: 0 for a library of the system that no process need use yet. definers: libcrypto, as far as the process maps it.
  /// A library that could not be probed is tried again when another path leads to it. is_dry: nothing is attached.
  State use(const TlsLibrary& library, std::uint32_t pid, const std::vector<TlsLibrary>& definers, bool is_dry);
  /// A program that uses a library: probed itself if it drives handshakes in a way that the library's probes do not show.
  void use_program(const TlsLibrary& program, bool is_dry);
  /// Whether all that this program reads from TLS passes its own probed calls of SSL_read.
  bool shows_reads(const TlsLibrary& program) const;
  /// Whether use() would need the definers, or has not seen the library yet.
  bool needs_definers(const TlsLibrary& library) const;

  /// A handshake was made through this library after before_ns: probes that did not fire then are dead, and it is blind.
  void expect_hits(const FileIdentity& file, std::uint64_t before_ns);

  std::vector<LibraryCoverage> coverage() const;

  static constexpr std::uint64_t kUnusedNs = 10'000'000'000;
  static constexpr std::size_t kPrograms = 4096;  ///< known at a time; more are not looked at

 private:
  /// Probes in one file: the library itself, or the one that defines what its calls do not show.
  struct Part {
    UniqueFd file;  ///< until its probes hold it
    LibraryPlan plan;
    LibraryAttachment attachment;
    std::string path;
    bool is_definer = false;
  };
  struct Library {
    std::string display_path;
    std::string version;
    std::vector<Part> parts;
    std::string failure;  ///< why nothing can be seen; empty: essential probes are attached
    std::set<std::string> tried;
    std::set<std::uint32_t> pids;
    bool in_use = false;
    std::uint64_t last_used_ns = 0;
  };

  using Files = std::map<FileIdentity, Library>;

  void let_go_unused(Files& files, std::uint64_t now_ns);
  void add_program(Library& entry, const TlsLibrary& program, bool is_dry);
  void attach(Library& entry, const TlsLibrary& library, const std::vector<TlsLibrary>& definers, bool is_dry);
  Status analyse(Library& entry, const TlsLibrary& library, const std::vector<TlsLibrary>& definers);
  static void learn_from_libcrypto(Library& entry, const TlsLibrary& library, const std::vector<TlsLibrary>& definers);
  void attach_parts(Library& entry);
  void attach_part(Part& part);
  template <typename Analysis>
  static Result<Part> make_part(const TlsLibrary& file, const Analysis& analyse, bool is_definer);
  static LibraryPlan whole_plan(const std::vector<Part>& parts);
  void take_off(Library& entry);
  bool has_seen_essentials(const Library& entry, std::uint64_t after_ns) const;
  LibraryCoverage coverage_of(const Library& entry) const;
  void cover_part(const Part& part, LibraryCoverage& coverage) const;

  Kernel& kernel_;
  bool return_probes_are_safe_;
  Files libraries_;
  Files programs_;  ///< most of them without a part: there is nothing to probe
};

}  // namespace mtlswatch
