-- What the last message before `next_offset` looks like (runtime/log_mark.py): a topic that was deleted and made anew has another one there.
ALTER TABLE input_offset ADD COLUMN mark text;
