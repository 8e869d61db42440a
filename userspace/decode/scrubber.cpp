// SPDX-License-Identifier: Apache-2.0
#include "userspace/decode/scrubber.h"

#include <algorithm>

#include "userspace/decode/raw_record.h"
#include "userspace/decode/record_events.h"

namespace mtlswatch {
namespace {

void fill_from(std::span<std::uint8_t> record, std::size_t offset, std::uint8_t byte) {
  if (offset < record.size()) std::fill(record.begin() + static_cast<std::ptrdiff_t>(offset), record.end(), byte);
}

}  // namespace

void Scrubber::scrub(std::span<std::uint8_t> record) {
  const auto header = read_header(record);
  if (!header) return fill_from(record, sizeof(mtlswatch_header), '*');
  fill_from(record, header->size, 0);
  if (header->kind == MTLSWATCH_KIND_IO) return scrub_io(record);
  if (header->kind == MTLSWATCH_KIND_CONTENT) return fill_from(record, sizeof(mtlswatch_content), '*');
  if (header->kind == MTLSWATCH_KIND_CLOSE) streams_.close(read_fixed<mtlswatch_close>(record).cookie);
  if (header->kind != MTLSWATCH_KIND_CONNECTION) return;
  const auto connection = read_fixed<mtlswatch_connection>(record);
  if (is_valid(connection)) streams_.open(connection);
}

void Scrubber::scrub_io(std::span<std::uint8_t> record) {
  const auto io = read_fixed<mtlswatch_io>(record);
  const auto data = io_data(record, io);
  if (!data) return fill_from(record, sizeof io, '*');
  ByteMask mask;
  ignored_.clear();
  streams_.read(io, *data, ignored_, &mask);
  mask.apply(record.subspan(sizeof io, data->size()));
  fill_from(record, sizeof io + data->size(), 0);
}

}  // namespace mtlswatch
