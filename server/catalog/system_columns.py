"""Columns of pg_catalog's relations: facts of PostgreSQL 16 (chapters 53 and 54), in its order."""

CATALOGS = """
2600 pg_aggregate regproc:aggfnoid! char:aggkind! int2:aggnumdirectargs! regproc:aggtransfn!,aggfinalfn!,
  aggcombinefn!,aggserialfn!,aggdeserialfn!,aggmtransfn!,aggminvtransfn!,aggmfinalfn! bool:aggfinalextra!,
  aggmfinalextra! char:aggfinalmodify!,aggmfinalmodify! oid:aggsortop!,aggtranstype! int4:aggtransspace!
  oid:aggmtranstype! int4:aggmtransspace! text:agginitval,aggminitval
2601 pg_am oid:oid! name:amname! regproc:amhandler! char:amtype!
2602 pg_amop oid:oid!,amopfamily!,amoplefttype!,amoprighttype! int2:amopstrategy! char:amoppurpose!
  oid:amopopr!,amopmethod!,amopsortfamily!
2603 pg_amproc oid:oid!,amprocfamily!,amproclefttype!,amprocrighttype! int2:amprocnum! regproc:amproc!
2604 pg_attrdef oid:oid!,adrelid! int2:adnum! pg_node_tree:adbin!
1249 pg_attribute oid:attrelid! name:attname! oid:atttypid! int2:attlen!,attnum! int4:attcacheoff!,
  atttypmod! int2:attndims! bool:attbyval! char:attalign!,attstorage!,attcompression! bool:attnotnull!,
  atthasdef!,atthasmissing! char:attidentity!,attgenerated! bool:attisdropped!,attislocal!
  int2:attinhcount!,attstattarget! oid:attcollation! aclitem[]:attacl text[]:attoptions,attfdwoptions
  anyarray:attmissingval
1261 pg_auth_members oid:oid!,roleid!,member!,grantor! bool:admin_option!,inherit_option!,set_option!
1260 pg_authid oid:oid! name:rolname! bool:rolsuper!,rolinherit!,rolcreaterole!,rolcreatedb!,rolcanlogin!,
  rolreplication!,rolbypassrls! int4:rolconnlimit! text:rolpassword timestamptz:rolvaliduntil
2605 pg_cast oid:oid!,castsource!,casttarget!,castfunc! char:castcontext!,castmethod!
1259 pg_class oid:oid! name:relname! oid:relnamespace!,reltype!,reloftype!,relowner!,relam!,relfilenode!,
  reltablespace! int4:relpages! float4:reltuples! int4:relallvisible! oid:reltoastrelid! bool:relhasindex!,
  relisshared! char:relpersistence!,relkind! int2:relnatts!,relchecks! bool:relhasrules!,relhastriggers!,
  relhassubclass!,relrowsecurity!,relforcerowsecurity!,relispopulated! char:relreplident!
  bool:relispartition! oid:relrewrite! xid:relfrozenxid!,relminmxid! aclitem[]:relacl text[]:reloptions
  pg_node_tree:relpartbound
3456 pg_collation oid:oid! name:collname! oid:collnamespace!,collowner! char:collprovider!
  bool:collisdeterministic! int4:collencoding! text:collcollate,collctype,colliculocale,collicurules,
  collversion
2606 pg_constraint oid:oid! name:conname! oid:connamespace! char:contype! bool:condeferrable!,condeferred!,
  convalidated! oid:conrelid!,contypid!,conindid!,conparentid!,confrelid! char:confupdtype!,confdeltype!,
  confmatchtype! bool:conislocal! int2:coninhcount! bool:connoinherit! int2[]:conkey,confkey
  oid[]:conpfeqop,conppeqop,conffeqop int2[]:confdelsetcols oid[]:conexclop pg_node_tree:conbin
2607 pg_conversion oid:oid! name:conname! oid:connamespace!,conowner! int4:conforencoding!,contoencoding!
  regproc:conproc! bool:condefault!
1262 pg_database oid:oid! name:datname! oid:datdba! int4:encoding! char:datlocprovider! bool:datistemplate!,
  datallowconn! int4:datconnlimit! xid:datfrozenxid!,datminmxid! oid:dattablespace! text:datcollate!,
  datctype!,daticulocale,daticurules,datcollversion aclitem[]:datacl
2964 pg_db_role_setting oid:setdatabase!,setrole! text[]:setconfig
826 pg_default_acl oid:oid!,defaclrole!,defaclnamespace! char:defaclobjtype! aclitem[]:defaclacl!
2608 pg_depend oid:classid!,objid! int4:objsubid! oid:refclassid!,refobjid! int4:refobjsubid! char:deptype!
2609 pg_description oid:objoid!,classoid! int4:objsubid! text:description!
3501 pg_enum oid:oid!,enumtypid! float4:enumsortorder! name:enumlabel!
3466 pg_event_trigger oid:oid! name:evtname!,evtevent! oid:evtowner!,evtfoid! char:evtenabled!
  text[]:evttags
3079 pg_extension oid:oid! name:extname! oid:extowner!,extnamespace! bool:extrelocatable! text:extversion!
  oid[]:extconfig text[]:extcondition
2328 pg_foreign_data_wrapper oid:oid! name:fdwname! oid:fdwowner!,fdwhandler!,fdwvalidator! aclitem[]:fdwacl
  text[]:fdwoptions
1417 pg_foreign_server oid:oid! name:srvname! oid:srvowner!,srvfdw! text:srvtype,srvversion aclitem[]:srvacl
  text[]:srvoptions
3118 pg_foreign_table oid:ftrelid!,ftserver! text[]:ftoptions
2610 pg_index oid:indexrelid!,indrelid! int2:indnatts!,indnkeyatts! bool:indisunique!,indnullsnotdistinct!,
  indisprimary!,indisexclusion!,indimmediate!,indisclustered!,indisvalid!,indcheckxmin!,indisready!,
  indislive!,indisreplident! int2vector:indkey! oidvector:indcollation!,indclass! int2vector:indoption!
  pg_node_tree:indexprs,indpred
2611 pg_inherits oid:inhrelid!,inhparent! int4:inhseqno! bool:inhdetachpending!
3394 pg_init_privs oid:objoid!,classoid! int4:objsubid! char:privtype! aclitem[]:initprivs!
2612 pg_language oid:oid! name:lanname! oid:lanowner! bool:lanispl!,lanpltrusted! oid:lanplcallfoid!,
  laninline!,lanvalidator! aclitem[]:lanacl
2613 pg_largeobject oid:loid! int4:pageno! bytea:data!
2995 pg_largeobject_metadata oid:oid!,lomowner! aclitem[]:lomacl
2615 pg_namespace oid:oid! name:nspname! oid:nspowner! aclitem[]:nspacl
2616 pg_opclass oid:oid!,opcmethod! name:opcname! oid:opcnamespace!,opcowner!,opcfamily!,opcintype!
  bool:opcdefault! oid:opckeytype!
2617 pg_operator oid:oid! name:oprname! oid:oprnamespace!,oprowner! char:oprkind! bool:oprcanmerge!,
  oprcanhash! oid:oprleft!,oprright!,oprresult!,oprcom!,oprnegate! regproc:oprcode!,oprrest!,oprjoin!
2753 pg_opfamily oid:oid!,opfmethod! name:opfname! oid:opfnamespace!,opfowner!
6243 pg_parameter_acl oid:oid! text:parname! aclitem[]:paracl
3350 pg_partitioned_table oid:partrelid! char:partstrat! int2:partnatts! oid:partdefid!
  int2vector:partattrs! oidvector:partclass!,partcollation! pg_node_tree:partexprs
3256 pg_policy oid:oid! name:polname! oid:polrelid! char:polcmd! bool:polpermissive! oid[]:polroles!
  pg_node_tree:polqual,polwithcheck
1255 pg_proc oid:oid! name:proname! oid:pronamespace!,proowner!,prolang! float4:procost!,prorows!
  oid:provariadic! regproc:prosupport! char:prokind! bool:prosecdef!,proleakproof!,proisstrict!,proretset!
  char:provolatile!,proparallel! int2:pronargs!,pronargdefaults! oid:prorettype! oidvector:proargtypes!
  oid[]:proallargtypes char[]:proargmodes text[]:proargnames pg_node_tree:proargdefaults oid[]:protrftypes
  text:prosrc!,probin pg_node_tree:prosqlbody text[]:proconfig aclitem[]:proacl
6104 pg_publication oid:oid! name:pubname! oid:pubowner! bool:puballtables!,pubinsert!,pubupdate!,
  pubdelete!,pubtruncate!,pubviaroot!
6237 pg_publication_namespace oid:oid!,pnpubid!,pnnspid!
6106 pg_publication_rel oid:oid!,prpubid!,prrelid! pg_node_tree:prqual int2vector:prattrs
3541 pg_range oid:rngtypid!,rngsubtype!,rngmultitypid!,rngcollation!,rngsubopc! regproc:rngcanonical!,
  rngsubdiff!
2618 pg_rewrite oid:oid! name:rulename! oid:ev_class! char:ev_type!,ev_enabled! bool:is_instead!
  pg_node_tree:ev_qual!,ev_action!
3596 pg_seclabel oid:objoid!,classoid! int4:objsubid! text:provider!,label!
2224 pg_sequence oid:seqrelid!,seqtypid! int8:seqstart!,seqincrement!,seqmax!,seqmin!,seqcache!
  bool:seqcycle!
1214 pg_shdepend oid:dbid!,classid!,objid! int4:objsubid! oid:refclassid!,refobjid! char:deptype!
2396 pg_shdescription oid:objoid!,classoid! text:description!
3592 pg_shseclabel oid:objoid!,classoid! text:provider!,label!
2619 pg_statistic oid:starelid! int2:staattnum! bool:stainherit! float4:stanullfrac! int4:stawidth!
  float4:stadistinct! int2:stakind1!,stakind2!,stakind3!,stakind4!,stakind5! oid:staop1!,staop2!,staop3!,
  staop4!,staop5!,stacoll1!,stacoll2!,stacoll3!,stacoll4!,stacoll5! float4[]:stanumbers1,stanumbers2,
  stanumbers3,stanumbers4,stanumbers5 anyarray:stavalues1,stavalues2,stavalues3,stavalues4,stavalues5
3381 pg_statistic_ext oid:oid!,stxrelid! name:stxname! oid:stxnamespace!,stxowner! int4:stxstattarget!
  int2vector:stxkeys! char[]:stxkind! pg_node_tree:stxexprs
3429 pg_statistic_ext_data oid:stxoid! bool:stxdinherit! pg_ndistinct:stxdndistinct
  pg_dependencies:stxddependencies pg_mcv_list:stxdmcv pg_statistic[]:stxdexpr
6100 pg_subscription oid:oid!,subdbid! pg_lsn:subskiplsn! name:subname! oid:subowner! bool:subenabled!,
  subbinary! char:substream!,subtwophasestate! bool:subdisableonerr!,subpasswordrequired!,subrunasowner!
  text:subconninfo! name:subslotname text:subsynccommit! text[]:subpublications! text:suborigin
6102 pg_subscription_rel oid:srsubid!,srrelid! char:srsubstate! pg_lsn:srsublsn
1213 pg_tablespace oid:oid! name:spcname! oid:spcowner! aclitem[]:spcacl text[]:spcoptions
2620 pg_trigger oid:oid!,tgrelid!,tgparentid! name:tgname! oid:tgfoid! int2:tgtype! char:tgenabled!
  bool:tgisinternal! oid:tgconstrrelid!,tgconstrindid!,tgconstraint! bool:tgdeferrable!,tginitdeferred!
  int2:tgnargs! int2vector:tgattr! bytea:tgargs! pg_node_tree:tgqual name:tgoldtable,tgnewtable
3602 pg_ts_config oid:oid! name:cfgname! oid:cfgnamespace!,cfgowner!,cfgparser!
3603 pg_ts_config_map oid:mapcfg! int4:maptokentype!,mapseqno! oid:mapdict!
3600 pg_ts_dict oid:oid! name:dictname! oid:dictnamespace!,dictowner!,dicttemplate! text:dictinitoption
3601 pg_ts_parser oid:oid! name:prsname! oid:prsnamespace! regproc:prsstart!,prstoken!,prsend!,prsheadline!,
  prslextype!
3764 pg_ts_template oid:oid! name:tmplname! oid:tmplnamespace! regproc:tmplinit!,tmpllexize!
1247 pg_type oid:oid! name:typname! oid:typnamespace!,typowner! int2:typlen! bool:typbyval! char:typtype!,
  typcategory! bool:typispreferred!,typisdefined! char:typdelim! oid:typrelid! regproc:typsubscript!
  oid:typelem!,typarray! regproc:typinput!,typoutput!,typreceive!,typsend!,typmodin!,typmodout!,typanalyze!
  char:typalign!,typstorage! bool:typnotnull! oid:typbasetype! int4:typtypmod!,typndims! oid:typcollation!
  pg_node_tree:typdefaultbin text:typdefault aclitem[]:typacl
1418 pg_user_mapping oid:oid!,umuser!,umserver! text[]:umoptions
"""
"""A line: oid name type:column,column ...; an indented line continues the one before; ! is NOT NULL."""

VIEWS = """
12085 pg_available_extension_versions name:name text:version bool:installed,superuser,trusted,relocatable
  name:schema name[]:requires text:comment
12081 pg_available_extensions name:name text:default_version,installed_version,comment
12138 pg_backend_memory_contexts text:name,ident,parent int4:level int8:total_bytes,total_nblocks,
  free_bytes,free_chunks,used_bytes
12077 pg_cursors text:name,statement bool:is_holdable,is_binary,is_scrollable timestamptz:creation_time
12010 pg_group name:groname oid:grosysid oid[]:grolist
12043 pg_indexes name:schemaname,tablename,indexname,tablespace text:indexdef
12073 pg_locks text:locktype oid:database,relation int4:page int2:tuple text:virtualxid xid:transactionid
  oid:classid,objid int2:objsubid text:virtualtransaction int4:pid text:mode bool:granted,fastpath
  timestamptz:waitstart
12038 pg_matviews name:schemaname,matviewname,matviewowner,tablespace bool:hasindexes,ispopulated
  text:definition
12018 pg_policies name:schemaname,tablename,policyname text:permissive name[]:roles text:cmd,qual,with_check
12095 pg_prepared_statements text:name,statement timestamptz:prepare_time regtype[]:parameter_types,
  result_types bool:from_sql int8:generic_plans,custom_plans
12068 pg_publication_tables name:pubname,schemaname,tablename name[]:attnames text:rowfilter
12000 pg_roles name:rolname bool:rolsuper,rolinherit,rolcreaterole,rolcreatedb,rolcanlogin,rolreplication
  int4:rolconnlimit text:rolpassword timestamptz:rolvaliduntil bool:rolbypassrls text[]:rolconfig oid:oid
12023 pg_rules name:schemaname,tablename,rulename text:definition
12099 pg_seclabels oid:objoid,classoid int4:objsubid text:objtype oid:objnamespace text:objname,provider,
  label
12048 pg_sequences name:schemaname,sequencename,sequenceowner regtype:data_type int8:start_value,min_value,
  max_value,increment_by bool:cycle int8:cache_size,last_value
12104 pg_settings text:name,setting,unit,category,short_desc,extra_desc,context,vartype,source,min_val,
  max_val text[]:enumvals text:boot_val,reset_val,sourcefile int4:sourceline bool:pending_restart
12005 pg_shadow name:usename oid:usesysid bool:usecreatedb,usesuper,userepl,usebypassrls text:passwd
  timestamptz:valuntil text[]:useconfig
12134 pg_shmem_allocations text:name int8:off,size,allocated_size
12222 pg_stat_activity oid:datid name:datname int4:pid,leader_pid oid:usesysid name:usename
  text:application_name inet:client_addr text:client_hostname int4:client_port timestamptz:backend_start,
  xact_start,query_start,state_change text:wait_event_type,wait_event,state xid:backend_xid,backend_xmin
  int8:query_id text:query,backend_type
12183 pg_stat_all_indexes oid:relid,indexrelid name:schemaname,relname,indexrelname int8:idx_scan
  timestamptz:last_idx_scan int8:idx_tup_read,idx_tup_fetch
12142 pg_stat_all_tables oid:relid name:schemaname,relname int8:seq_scan timestamptz:last_seq_scan
  int8:seq_tup_read,idx_scan timestamptz:last_idx_scan int8:idx_tup_fetch,n_tup_ins,n_tup_upd,n_tup_del,
  n_tup_hot_upd,n_tup_newpage_upd,n_live_tup,n_dead_tup,n_mod_since_analyze,n_ins_since_vacuum
  timestamptz:last_vacuum,last_autovacuum,last_analyze,last_autoanalyze int8:vacuum_count,autovacuum_count,
  analyze_count,autoanalyze_count
12266 pg_stat_database oid:datid name:datname int4:numbackends int8:xact_commit,xact_rollback,blks_read,
  blks_hit,tup_returned,tup_fetched,tup_inserted,tup_updated,tup_deleted,conflicts,temp_files,temp_bytes,
  deadlocks,checksum_failures timestamptz:checksum_last_failure float8:blk_read_time,blk_write_time,
  session_time,active_time,idle_in_transaction_time int8:sessions,sessions_abandoned,sessions_fatal,
  sessions_killed timestamptz:stats_reset
12249 pg_stat_ssl int4:pid bool:ssl text:version,cipher int4:bits text:client_dn numeric:client_serial
  text:issuer_dn
12188 pg_stat_sys_indexes oid:relid,indexrelid name:schemaname,relname,indexrelname int8:idx_scan
  timestamptz:last_idx_scan int8:idx_tup_read,idx_tup_fetch
12152 pg_stat_sys_tables oid:relid name:schemaname,relname int8:seq_scan timestamptz:last_seq_scan
  int8:seq_tup_read,idx_scan timestamptz:last_idx_scan int8:idx_tup_fetch,n_tup_ins,n_tup_upd,n_tup_del,
  n_tup_hot_upd,n_tup_newpage_upd,n_live_tup,n_dead_tup,n_mod_since_analyze,n_ins_since_vacuum
  timestamptz:last_vacuum,last_autovacuum,last_analyze,last_autoanalyze int8:vacuum_count,autovacuum_count,
  analyze_count,autoanalyze_count
12192 pg_stat_user_indexes oid:relid,indexrelid name:schemaname,relname,indexrelname int8:idx_scan
  timestamptz:last_idx_scan int8:idx_tup_read,idx_tup_fetch
12161 pg_stat_user_tables oid:relid name:schemaname,relname int8:seq_scan timestamptz:last_seq_scan
  int8:seq_tup_read,idx_scan timestamptz:last_idx_scan int8:idx_tup_fetch,n_tup_ins,n_tup_upd,n_tup_del,
  n_tup_hot_upd,n_tup_newpage_upd,n_live_tup,n_dead_tup,n_mod_since_analyze,n_ins_since_vacuum
  timestamptz:last_vacuum,last_autovacuum,last_analyze,last_autoanalyze int8:vacuum_count,autovacuum_count,
  analyze_count,autoanalyze_count
12053 pg_stats name:schemaname,tablename,attname bool:inherited float4:null_frac int4:avg_width
  float4:n_distinct anyarray:most_common_vals float4[]:most_common_freqs anyarray:histogram_bounds
  float4:correlation anyarray:most_common_elems float4[]:most_common_elem_freqs,elem_count_histogram
12058 pg_stats_ext name:schemaname,tablename,statistics_schemaname,statistics_name,statistics_owner
  name[]:attnames text[]:exprs char[]:kinds bool:inherited pg_ndistinct:n_distinct
  pg_dependencies:dependencies text[]:most_common_vals bool[]:most_common_val_nulls
  float8[]:most_common_freqs,most_common_base_freqs
12033 pg_tables name:schemaname,tablename,tableowner,tablespace bool:hasindexes,hasrules,hastriggers,
  rowsecurity
12122 pg_timezone_abbrevs text:abbrev interval:utc_offset bool:is_dst
12126 pg_timezone_names text:name,abbrev interval:utc_offset bool:is_dst
12014 pg_user name:usename oid:usesysid bool:usecreatedb,usesuper,userepl,usebypassrls text:passwd
  timestamptz:valuntil text[]:useconfig
12331 pg_user_mappings oid:umid,srvid name:srvname oid:umuser name:usename text[]:umoptions
12028 pg_views name:schemaname,viewname,viewowner text:definition
"""
