// SPDX-License-Identifier: Apache-2.0
#include "userspace/policy/claimed_name.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <vector>

namespace mtlswatch {
namespace {

struct Attribute {
  std::string type;
  std::string value;
  bool operator==(const Attribute&) const = default;
  auto operator<=>(const Attribute&) const = default;
};

struct Name {
  std::vector<Attribute> attributes;
  bool multi_valued = false;  ///< an RDN of several attributes: their order says nothing
  bool one_line = false;
};

struct Synonym {
  const char* spelt;  ///< upper case
  const char* type;
};

// RFC 4514 section 3, OpenSSL's short and long names, and the OIDs of RFC 4519 that old libraries print.
constexpr std::array kSynonyms = {
    Synonym{"C", "C"},
    Synonym{"COUNTRYNAME", "C"},
    Synonym{"2.5.4.6", "C"},
    Synonym{"ST", "ST"},
    Synonym{"S", "ST"},
    Synonym{"STATEORPROVINCENAME", "ST"},
    Synonym{"2.5.4.8", "ST"},
    Synonym{"L", "L"},
    Synonym{"LOCALITYNAME", "L"},
    Synonym{"2.5.4.7", "L"},
    Synonym{"STREET", "STREET"},
    Synonym{"STREETADDRESS", "STREET"},
    Synonym{"2.5.4.9", "STREET"},
    Synonym{"O", "O"},
    Synonym{"ORGANIZATIONNAME", "O"},
    Synonym{"2.5.4.10", "O"},
    Synonym{"OU", "OU"},
    Synonym{"ORGANIZATIONALUNITNAME", "OU"},
    Synonym{"2.5.4.11", "OU"},
    Synonym{"CN", "CN"},
    Synonym{"COMMONNAME", "CN"},
    Synonym{"2.5.4.3", "CN"},
    Synonym{"DC", "DC"},
    Synonym{"DOMAINCOMPONENT", "DC"},
    Synonym{"0.9.2342.19200300.100.1.25", "DC"},
    Synonym{"UID", "UID"},
    Synonym{"USERID", "UID"},
    Synonym{"0.9.2342.19200300.100.1.1", "UID"},
    Synonym{"EMAILADDRESS", "E"},
    Synonym{"E", "E"},
    Synonym{"EMAIL", "E"},
    Synonym{"1.2.840.113549.1.9.1", "E"},
    Synonym{"SERIALNUMBER", "SERIALNUMBER"},
    Synonym{"2.5.4.5", "SERIALNUMBER"},
    Synonym{"SN", "SN"},
    Synonym{"SURNAME", "SN"},
    Synonym{"2.5.4.4", "SN"},
    Synonym{"GN", "GN"},
    Synonym{"GIVENNAME", "GN"},
    Synonym{"2.5.4.42", "GN"},
    Synonym{"T", "T"},
    Synonym{"TITLE", "T"},
    Synonym{"2.5.4.12", "T"},
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Empty where the text is no attribute type. A type that has no synonym stays itself, in upper case.
std::string type_of(std::string_view text) {
  std::string upper;
  for (const char c : trimmed(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) == 0 && c != '.' && c != '-') return {};
    upper += static_cast<char>(std::toupper(byte));
  }
  for (const Synonym& row : kSynonyms) {
    if (upper == row.spelt) return row.type;
  }
  return upper;
}

bool is_known_type(const std::string& type) {
  return std::any_of(kSynonyms.begin(), kSynonyms.end(), [&](const Synonym& row) { return type == row.type; });
}

std::optional<char> hex_pair(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, 2)) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isxdigit(byte) == 0) return std::nullopt;
    value = value * 16 + (std::isdigit(byte) != 0 ? c - '0' : std::tolower(byte) - 'a' + 10);
  }
  return static_cast<char>(value);
}

/// One value up to an unescaped separator, which stays. False where an escape is cut.
bool take_value(std::string_view& rest, std::string& value) {
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  bool quoted = false;
  std::size_t kept = 0;  // up to here trailing blanks belong to the value
  while (!rest.empty()) {
    const char c = rest.front();
    if (!quoted && (c == ',' || c == '+' || c == ';')) break;
    rest.remove_prefix(1);
    if (c == '"') {
      quoted = !quoted;
    } else if (c == '\\') {
      const auto byte = hex_pair(rest);
      if (!byte && rest.empty()) return false;
      value += byte ? *byte : rest.front();
      rest.remove_prefix(byte ? 2 : 1);
    } else {
      value += c;
      if (c == ' ' && !quoted) continue;
    }
    kept = value.size();
  }
  value.resize(kept);
  return !quoted;
}

std::optional<Name> parse_comma_separated(std::string_view rest) {
  Name name;
  while (!rest.empty()) {
    const auto equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    Attribute attribute{type_of(rest.substr(0, equals)), {}};
    rest.remove_prefix(equals + 1);
    if (attribute.type.empty() || !take_value(rest, attribute.value)) return std::nullopt;
    name.attributes.push_back(std::move(attribute));
    if (rest.empty()) break;
    name.multi_valued |= rest.front() == '+';
    rest.remove_prefix(1);
    if (rest.empty()) return std::nullopt;
  }
  return name;
}

/// "\xC3\xA9" is how X509_NAME_oneline writes what is not ASCII.
std::string unescape_one_line(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = text.substr(at).starts_with("\\x") ? hex_pair(text.substr(at + 2)) : std::nullopt;
    result += byte ? *byte : text[at];
    if (byte) at += 3;
  }
  return result;
}

/// A '/' within a value is not escaped there: it begins an attribute only if a type and '=' follow.
std::optional<Name> parse_one_line(std::string_view rest) {
  Name name;
  name.one_line = true;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('/', 1), rest.size());
    const std::string_view part = rest.substr(1, end - 1);
    const auto equals = part.find('=');
    const std::string type = equals == std::string_view::npos ? "" : type_of(part.substr(0, equals));
    if (!type.empty()) {
      name.attributes.push_back({type, unescape_one_line(part.substr(equals + 1))});
    } else if (name.attributes.empty()) {
      return std::nullopt;
    } else {
      name.attributes.back().value.append("/").append(unescape_one_line(part));
    }
    rest.remove_prefix(end);
  }
  return name;
}

std::optional<Name> parse(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return std::nullopt;
  return text.front() == '/' ? parse_one_line(text) : parse_comma_separated(text);
}

bool all_known(const Name& name) {
  return std::all_of(name.attributes.begin(), name.attributes.end(), [](const Attribute& attribute) {
    return is_known_type(attribute.type) && !attribute.value.starts_with('#');  // '#': encoded, not text
  });
}

bool has_slash(const Name& name) {
  return std::any_of(name.attributes.begin(), name.attributes.end(),
                     [](const Attribute& attribute) { return attribute.value.find('/') != std::string::npos; });
}

}  // namespace

Comparison compare_names(std::string_view claimed, std::string_view certified) {
  if (claimed == certified && !claimed.empty()) return Comparison::kMatches;  // nginx writes RFC 2253, as we do
  auto left = parse(claimed);
  auto right = parse(certified);
  if (!left || !right) return Comparison::kNotComparable;
  if (left->multi_valued || right->multi_valued) {
    std::sort(left->attributes.begin(), left->attributes.end());
    std::sort(right->attributes.begin(), right->attributes.end());
  }
  if (left->attributes == right->attributes) return Comparison::kMatches;
  if (std::equal(left->attributes.begin(), left->attributes.end(), right->attributes.rbegin(),
                 right->attributes.rend()))
    return Comparison::kMatches;
  const bool one_line_is_unclear = left->one_line && (has_slash(*left) || has_slash(*right) || right->multi_valued);
  if (one_line_is_unclear || !all_known(*left) || !all_known(*right)) return Comparison::kNotComparable;
  return Comparison::kContradicts;
}

}  // namespace mtlswatch
