package io.sage4j.ptx;

/** The thread's copies since the last commit become a group. */
public record CopyCommit() implements NoRegisters {
    @Override
    public String opcode() {
        return "cp.async.commit_group";
    }
}
