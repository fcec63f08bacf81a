"""The hash functions under the name that scripts import."""

from moveshelf.api.hashes import calculate_file_crc32c, calculate_file_md5, calculate_stream_md5, crc32c_func

__all__ = ["calculate_file_crc32c", "calculate_file_md5", "calculate_stream_md5", "crc32c_func"]
