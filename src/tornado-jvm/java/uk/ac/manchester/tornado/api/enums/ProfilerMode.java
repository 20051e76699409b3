package uk.ac.manchester.tornado.api.enums;

/** Whether the profiler also prints. */
public enum ProfilerMode {
    /** Print the profile after every execution. */
    CONSOLE,
    /** Only keep it for queries. */
    SILENT
}
