// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/uwsgi_head.h"

#include <algorithm>
#include <optional>
#include <string>

#include "userspace/decode/characters.h"
#include "userspace/decode/request_line.h"

namespace mtlswatch {
namespace {

constexpr std::size_t kHeader = 4;
constexpr std::size_t kSize = 2;
constexpr std::size_t kFirstNameBytes = 64;
constexpr char kPython = 0;          // modifier1: WSGI ...
constexpr char kPythonMounted = 30;  // ... and WSGI with SCRIPT_NAME taken off PATH_INFO

std::size_t little_endian(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]) | static_cast<std::size_t>(static_cast<std::uint8_t>(text[at + 1])) << 8;
}

bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char byte) { return (byte >= 'A' && byte <= 'Z') || is_digit(byte) || byte == '_'; });
}

/// One variable, as far as it is there. All indices are into the packet.
struct Variable {
  bool valid = true;  ///< has a name, and its sizes keep it inside the packet
  std::string_view name;
  std::size_t name_at = 0;  ///< 0: not even its size is there
  bool name_complete = false;  ///< and the size of its value is there
  std::string_view value;
  std::size_t value_at = 0;
  std::size_t end = 0;  ///< where the next one begins, there or not
  bool complete = false;
};

/// The variable at index at of what is there of the packet; size: of the whole packet.
Variable read_variable(std::string_view packet, std::size_t size, std::size_t at) {
  Variable variable;
  variable.end = size;
  variable.valid = at + kSize <= size;
  if (at + kSize > packet.size()) return variable;
  const std::size_t name_bytes = little_endian(packet, at);
  variable.name_at = at + kSize;
  variable.value_at = variable.name_at + name_bytes + kSize;
  variable.valid = name_bytes != 0 && variable.value_at <= size;
  if (!variable.valid) return variable;
  variable.name = packet.substr(variable.name_at, name_bytes);
  if (variable.value_at > packet.size()) return variable;
  variable.name_complete = true;
  const std::size_t value_bytes = little_endian(packet, variable.value_at - kSize);
  variable.end = variable.value_at + value_bytes;
  variable.valid = variable.end <= size;
  if (!variable.valid) return variable;
  variable.value = packet.substr(variable.value_at, value_bytes);
  variable.complete = variable.value.size() == value_bytes;
  return variable;
}

/// A request header (HTTP_X_REQUEST_ID) by its field; of the proxy's own variables those that name an identity
/// (SSL_CLIENT_VERIFY). name becomes the header's.
Field field_of(const HeaderFields& fields, std::string_view variable, std::string& name) {
  constexpr std::string_view kHeaderPrefix = "HTTP_";
  name = variable;
  if (!variable.starts_with(kHeaderPrefix)) {
    return fields.field_of(name) == Field::kIdentity ? Field::kIdentity : Field::kOther;
  }
  name.erase(0, kHeaderPrefix.size());
  std::replace(name.begin(), name.end(), '_', '-');
  const Field field = fields.field_of(name);
  return field == Field::kContentLength ? Field::kOther : field;  // the server goes by CONTENT_LENGTH
}

/// The path that Django routes by: WSGIRequest joins SCRIPT_NAME and PATH_INFO. REQUEST_URI is only what the client wrote.
std::string joined_path(std::string_view script, std::string_view path) {
  while (script.ends_with('/')) script.remove_suffix(1);
  if (path.starts_with('/')) path.remove_prefix(1);
  return std::string(script).append("/").append(path);
}

/// Reads the variables of one packet. Where one is repeated the last counts, as in WSGI's dictionary.
class VariableReader {
 public:
  explicit VariableReader(const HeaderFields& fields) : fields_(fields) {}

  void read(std::string_view variable, std::string_view value) {
    RequestHead& head = reader_.head();
    if (variable == "REQUEST_METHOD") {
      head.method = is_token(value) && value.size() <= kMethodBytes ? value : std::string_view();
    } else if (variable == "SERVER_PROTOCOL") {
      head.version = value.starts_with("HTTP/") && value.size() <= 8 ? value.substr(5) : std::string_view();
    } else if (variable == "REQUEST_URI") {
      reader_.read_target(split_target(value, true), true);
    } else if (variable == "PATH_INFO") {
      path_ = value;
    } else if (variable == "SCRIPT_NAME") {
      script_ = value;
    } else if (variable == "CONTENT_LENGTH") {
      if (!value.empty()) reader_.read_field(Field::kContentLength, variable, value);
    } else {
      std::string name;
      const Field field = field_of(fields_, variable, name);
      reader_.read_field(field, name, value);
    }
  }

  ParsedHead finish(bool complete) {
    ParsedHead parsed = reader_.finish(complete);
    if (path_) parsed.head.path = joined_path(script_, *path_);
    return parsed;
  }

 private:
  const HeaderFields& fields_;
  HeadReader reader_;
  std::optional<std::string_view> path_;
  std::string_view script_;
};

bool is_kept(const HeaderFields& fields, std::string_view variable) {
  for (const std::string_view known : {"REQUEST_METHOD", "SERVER_PROTOCOL", "PATH_INFO", "SCRIPT_NAME", "CONTENT_LENGTH"}) {
    if (variable == known) return true;
  }
  std::string name;
  return field_of(fields, variable, name) != Field::kOther;
}

/// at: where it begins; there: where what is there of the packet ends.
void keep_variable(const HeaderFields& fields, const Variable& variable, std::size_t at, std::size_t there,
                   const BufferMask& mask) {
  mask.keep(at, std::min(at + kSize, there));
  if (variable.name.empty()) return;
  const std::size_t name_end = variable.name_at + variable.name.size();
  if (is_token(variable.name)) mask.keep(variable.name_at, name_end);
  if (!variable.name_complete) return mask.keep(variable.value_at - kSize, there);
  mask.keep(name_end, variable.value_at);
  if (variable.name == "REQUEST_URI") keep_target(variable.value, variable.complete, variable.value_at, mask);
  if (is_kept(fields, variable.name)) mask.keep(variable.value_at, variable.value_at + variable.value.size());
}

}  // namespace

bool may_be_uwsgi(std::string_view text) { return !text.empty() && (text[0] == kPython || text[0] == kPythonMounted); }

UwsgiPacket read_uwsgi_packet(std::string_view text) {
  UwsgiPacket packet;
  if (text.size() < kHeader + kSize) return packet;
  packet.size = kHeader + little_endian(text, 1);
  packet.there = std::min(text.size(), packet.size);
  const std::size_t name_bytes = little_endian(text, kHeader);
  const std::string_view name = text.substr(kHeader + kSize, name_bytes);
  const bool fits = name_bytes != 0 && name_bytes <= kFirstNameBytes && kHeader + 2 * kSize + name_bytes <= packet.size;
  if (!fits || !is_name(name)) {
    packet.state = UwsgiState::kInvalid;
  } else if (name.size() == name_bytes) {
    packet.state = UwsgiState::kRecognised;
  }
  return packet;
}

ParsedHead parse_uwsgi_head(const HeaderFields& fields, std::string_view text) {
  const UwsgiPacket packet = read_uwsgi_packet(text);
  ParsedHead rejected;
  rejected.body.kind = BodyFraming::Kind::kUnknown;
  rejected.head.state = HeadState::kUnsupported;
  if (packet.state != UwsgiState::kRecognised) return rejected;
  VariableReader reader(fields);
  rejected.head.state = HeadState::kInvalid;
  for (std::size_t at = kHeader; at < packet.there;) {
    const Variable variable = read_variable(text.substr(0, packet.there), packet.size, at);
    if (!variable.valid) return rejected;  // uwsgi refuses the whole packet too
    if (!variable.complete) break;
    reader.read(variable.name, variable.value);
    at = variable.end;
  }
  return reader.finish(packet.complete());
}

void keep_uwsgi_head(const HeaderFields& fields, std::string_view text, const BufferMask& mask) {
  const UwsgiPacket packet = read_uwsgi_packet(text);
  mask.keep(0, std::min(text.size(), kHeader + kSize));
  if (packet.state == UwsgiState::kInvalid) return;
  for (std::size_t at = kHeader; at < packet.there;) {
    const Variable variable = read_variable(text.substr(0, packet.there), packet.size, at);
    keep_variable(fields, variable, at, packet.there, mask);
    if (!variable.valid) return;
    at = variable.end;
  }
}

}  // namespace mtlswatch
