// SPDX-License-Identifier: Apache-2.0
// Where to put uprobes in a TLS library, found by analysing its file alone: no process is touched, nothing is executed.
// Used by the code that attaches, and by doctor, which prints the plan.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/probe/instruction.h"

namespace mtlswatch {

class ElfImage;

/// What a probe tells, hence which kernel program it runs and which registers that program reads.
enum class ProbePurpose : std::uint8_t {
  kHandshakeEntry,   ///< SSL_do_handshake begins: rdi is the SSL
  kHandshakeReturn,  ///< and ends: eax is its result
  kCertificate,      ///< d2i_X509 is called: rsi points to a pointer to the DER, rdx is its length
  kVerifyResult,     ///< X509_STORE_CTX_get_error has returned: eax is the X509_V_* code
  kError,            ///< ERR_vset_error is called (OpenSSL 3): edi is the library, esi the reason
  kErrorLegacy,      ///< ERR_put_error is called (OpenSSL 1.1): edi is the library, edx the reason
  kSessionOffered,   ///< d2i_SSL_SESSION(_ex) begins: rsi points to a pointer to the DER, rdx is its length
  kSessionStored,    ///< SSL_CTX_add_session begins: rsi is the SSL_SESSION
  kSessionFound,     ///< SSL_SESSION_up_ref is called where the in-process cache was searched: rdi is the SSL_SESSION
  kSessionAsked,     ///< SSL_get1_session begins: rdi is the SSL
  kSessionTaken,     ///< and what it returns: rdi is the SSL_SESSION
  kPeekEntry,        ///< SSL_peek begins: rdi is the SSL
  kPeekReturn,       ///< and ends
  kRead,             ///< a program calls SSL_read, which drives its handshakes: rdi is the SSL
  kReadResult,       ///< and has its result in eax
  kBioWrite,         ///< a program calls BIO_write: rsi points to the bytes, edx is their number
  kStreamRead,       ///< Node's TLSWrap::OnStreamRead begins: rsi is the number of bytes, rdx points to a uv_buf_t
  kVerifyContext,      ///< X509_STORE_CTX_get_error is called: rdi is the X509_STORE_CTX
  kVerifyCallbackSet,  ///< X509_STORE_CTX_set_verify_cb is called
  kVerifyCallback,     ///< a program's verify callback begins: edi is 0 at an error, rsi is the X509_STORE_CTX
};

/// How a point relates to the function it observes.
enum class ProbePlacement : std::uint8_t {
  kCallSite,        ///< on an instruction of this library that calls it
  kStub,            ///< on this library's PLT stub of it, where call sites are many
  kAfterCall,       ///< behind such a call: the result is in eax, an entry probe reads it
  kFunctionEntry,   ///< in its prologue: every caller is seen, in the library or not
  kFunctionReturn,  ///< a return probe; the offset is that of the function's first instruction
};

struct ProbePoint {
  ProbePurpose purpose = ProbePurpose::kHandshakeEntry;
  ProbePlacement placement = ProbePlacement::kCallSite;
  std::string symbol;
  std::uint64_t file_offset = 0;  ///< what perf_event_open and uprobe_multi take
  std::uint64_t address = 0;      ///< relative to the load address, as disassemblers print it
  InstructionClass instruction_class = InstructionClass::kSingleStepped;
  std::string disassembly;  ///< Intel syntax
};

const char* text(ProbePlacement placement);  ///< "call site", "after call", ...

/// A symbol, or one call of it, at which no probe can be put, and why: one line for a report.
struct UnplacedSymbol {
  ProbePurpose purpose = ProbePurpose::kHandshakeEntry;
  std::string symbol;
  std::string reason;
  bool is_imported = false;  ///< it can be probed in the library that defines it: analyse_definitions
};

/// Where an X509_STORE_CTX keeps these, as the library's own accessors read them (X509_STORE_CTX_get_error_depth(3)).
struct VerifyLayout {
  std::uint16_t error_depth = 0;  ///< bytes from its beginning; 0: not known
  std::uint16_t error = 0;
};

struct LibraryPlan {
  std::string name;      ///< SONAME, else the file's name
  std::string build_id;  ///< lower-case hex; empty if the file has none
  std::string version;   ///< "OpenSSL 3.0.22 25 Aug 2026"; empty if the file does not say (OpenSSL 3: libcrypto does)
  std::vector<ProbePoint> points;
  std::vector<UnplacedSymbol> unplaced;
  VerifyLayout layout;  ///< of the libcrypto that is linked in, or that the caller knows to be in use
};

/// Analyses a shared library or an executable with OpenSSL linked in. Errors concern the file as a whole: it cannot be
/// opened, is no x86-64 ELF file with sections, or is BoringSSL. The file may be hostile: cost is bounded.
Result<LibraryPlan> analyse_library(const std::string& path);

/// For a TLS library whose calls of other libraries cannot all be found: the functions themselves, in the library at path
/// that defines them. Every caller of every process is seen there, so the kernel side has to ask who calls.
Result<LibraryPlan> analyse_definitions(const std::string& path, const std::set<ProbePurpose>& purposes);

/// Of a libcrypto, or of an image with one linked in.
VerifyLayout verify_layout(const ElfImage& image);

/// Purposes whose calls this plan could not all find, though the functions are to be had elsewhere.
std::set<ProbePurpose> purposes_elsewhere(const LibraryPlan& plan);

/// Why this library's handshakes cannot be told: without every one of these probes "no certificate was seen" would not
/// mean that none was sent. Empty if they can.
std::string missing_essentials(const LibraryPlan& plan);
std::span<const ProbePurpose> essential_purposes();
bool is_essential(ProbePurpose purpose);

}  // namespace mtlswatch
