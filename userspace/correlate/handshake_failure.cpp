// SPDX-License-Identifier: Apache-2.0
#include "userspace/correlate/handshake_failure.h"

#include <array>

namespace mtlswatch {
namespace {

struct ReasonText {
  int reason;
  const char* text;
};

// include/openssl/sslerr.h; equal in 1.1.1 and 3.x. 1000 + n is alert n received (RFC 8446 section 6).
constexpr std::array kReasons = {
    ReasonText{101, "no_suitable_key_share"},
    ReasonText{118, "no_suitable_signature_algorithm"},
    ReasonText{123, "bad_signature"},
    ReasonText{134, "certificate_verify_failed"},
    ReasonText{135, "certificate_length_mismatch"},
    ReasonText{155, "https_proxy_request"},
    ReasonText{156, "http_request"},
    ReasonText{193, "no_shared_cipher"},
    ReasonText{199, "peer_did_not_return_a_certificate"},
    ReasonText{235, "no_application_protocol"},
    ReasonText{252, "unknown_protocol"},
    ReasonText{258, "unsupported_protocol"},
    ReasonText{267, "wrong_version_number"},
    ReasonText{294, "peer_closed"},
    ReasonText{396, "version_too_low"},
    ReasonText{410, "no_shared_groups"},
    ReasonText{1000, "alert_close_notify"},
    ReasonText{1010, "alert_unexpected_message"},
    ReasonText{1020, "alert_bad_record_mac"},
    ReasonText{1040, "alert_handshake_failure"},
    ReasonText{1042, "alert_bad_certificate"},
    ReasonText{1043, "alert_unsupported_certificate"},
    ReasonText{1044, "alert_certificate_revoked"},
    ReasonText{1045, "alert_certificate_expired"},
    ReasonText{1046, "alert_certificate_unknown"},
    ReasonText{1047, "alert_illegal_parameter"},
    ReasonText{1048, "alert_unknown_ca"},
    ReasonText{1050, "alert_decode_error"},
    ReasonText{1051, "alert_decrypt_error"},
    ReasonText{1070, "alert_protocol_version"},
    ReasonText{1080, "alert_internal_error"},
    ReasonText{1090, "alert_user_canceled"},
    ReasonText{1116, "alert_certificate_required"},
    ReasonText{1120, "alert_no_application_protocol"},
};

}  // namespace

std::string handshake_failure_text(int reason) {
  for (const ReasonText& row : kReasons) {
    if (row.reason == reason) return row.text;
  }
  return (reason >= 1000 && reason < 1256 ? "alert_" + std::to_string(reason - 1000) : "ssl_error_" + std::to_string(reason));
}

}  // namespace mtlswatch
